//! kubectl by way of `bartizan tunnel`: what `bartizan kubeconfig` writes needs no ssh, and a service's token opens the way.

use std::fs;
use std::process::Command;

use super::site::{Site, kubectls};
use crate::harness::{Guarded, Run, bartizan, free_port, wait_for_line, wait_until};

/// Robots look, and change settings in one namespace; admins may everything.
const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);
@id("robots-look")
permit (principal in Group::"robots/robots", action in [Action::"connect", Action::"k8s.read", Action::"k8s.nonresource"], resource in Target::"prod");
@id("robots-set")
permit (principal in Group::"robots/robots", action in Action::"k8s.write", resource == Kind::"prod/core/configmaps")
when { context has namespace && context.namespace == "shop" };
"#;

#[test]
fn a_service_uses_kubectl_by_a_tunnel_and_a_file_that_kubeconfig_wrote() {
    let site = Site::with(POLICIES);
    let robot = site.world.stranger("robot");
    let file = robot.dir.join("kube/bartizan");
    let port = free_port().to_string();
    let bastion = format!("bastion:{}", site.world.bastion.port);
    let arguments = ["kubeconfig", "prod", "--bastion", &bastion, "--file", file.to_str().unwrap(), "--port", &port, "--namespace", "shop"];
    let told = site.world.bastion.run(arguments).ok().text();
    // What it says opens the way, with the files of this place and the bastion where it is here.
    let line = told.lines().map(str::trim).find(|line| line.starts_with("bartizan tunnel ")).unwrap_or_else(|| panic!("{told}"));
    let (token, host_ca) = (robot.dir.join("token"), robot.dir.join("host_ca.pub"));
    fs::write(&token, site.world.provider.service_token()).unwrap();
    fs::write(&host_ca, &site.world.host_ca).unwrap();
    let here = |word: &str| match word {
        "HOST_CA" => host_ca.display().to_string(),
        "TOKEN" => token.display().to_string(),
        word => word.replace("bastion:", "127.0.0.1:"),
    };
    let mut command = bartizan(&robot.dir);
    command.args(line.trim_end_matches(" &").split(' ').skip(1).map(here)).args(["--name", "bastion", "--renew-after", "1s"]);
    let log = robot.dir.join("tunnel.log");
    let mut tunnel = Guarded::logged(command, &log);
    wait_for_line(&log, "ready: connected to", &mut tunnel);

    let command = |program: &std::path::Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", &robot.dir).env("KUBECONFIG", &file).env("NO_PROXY", "*").current_dir(&robot.dir);
        command
    };
    let [new, old] = kubectls();
    // A watch outlives renewals of the certificate that it began with.
    let watched = robot.dir.join("watch.log");
    let mut watching = Guarded::logged(command(&new, &["get", "configmaps", "--watch"]), &watched);
    let asked = |words: &str| site.server.asked().iter().filter(|seen| seen["url"].as_str().unwrap().contains(words)).count();
    wait_until("the watch is there", || asked("watch=") >= 1);
    let issued = || site.world.bastion.run(["audit", "export", "--kind", "certificate.issued"]).ok().text().lines().count();
    let before = issued();
    wait_until("it is renewed twice", || issued() >= before + 2);
    for (name, program) in [("new", &new), ("old", &old)] {
        Run::new(command(program, &["create", "configmap", name, "--from-literal=a=b"])).within(60).ok();
        let done = Run::new(command(program, &["get", "configmap", name, "-o", "jsonpath={.data.a}"])).within(60).ok();
        assert_eq!(done.text(), "b");
        let done = Run::new(command(program, &["create", "secret", "generic", name, "--from-literal=a=b"])).within(60).finish().refused();
        assert!(done.err.contains("k8s.create on prod/core/secrets in shop is refused"), "{done}");
        let done = Run::new(command(program, &["create", "configmap", name, "-n", "default", "--from-literal=a=b"])).within(60).finish();
        assert!(done.code() != 0 && done.err.contains("is refused"), "{done}");
    }
    wait_until("the watch has seen them", || fs::read_to_string(&watched).is_ok_and(|text| text.contains("new") && text.contains("old")));
    assert!(watching.runs() && tunnel.runs());
    let who = Run::new(command(&new, &["auth", "whoami", "-o", "json"])).within(60).finish();
    assert!(who.code() != 0 || who.json()["status"]["userInfo"]["username"] == "robots/ci", "{who}");
    assert!(site.server.asked().iter().any(|seen| seen["headers"]["impersonate-user"] == "robots/ci"), "the API server knows who asks");
    let calls = site.world.bastion.run(["audit", "export", "--kind", "call.ended", "--principal", "robots/ci"]).ok().text();
    assert!(calls.contains("configmaps") && calls.contains("robots-set"), "{calls}");
}

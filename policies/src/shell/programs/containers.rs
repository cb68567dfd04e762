//! Programs that run commands inside containers. `exec` and `run` are followed as far as their options are known; whatever else
//! they do is an operation as it is written, but for what runs a command without saying so.

use super::{Called, Inside, options::Options};

const EXEC: Options =
    Options { flags: "ditT", valued: "euw", long: &["detach", "interactive", "tty"], long_valued: &["env", "user", "workdir"] };

/// Options that change what is mounted, or what may be done, are not here: the container is then not one.
const RUN: Options = Options {
    flags: "ditqP",
    valued: "eulwhm",
    long: &["detach", "interactive", "tty", "rm", "init", "read-only", "quiet"],
    long_valued: &["env", "user", "workdir", "name", "hostname", "label", "memory", "cpus", "pull", "platform"],
};

const KUBECTL: Options = Options {
    flags: "itq",
    valued: "cn",
    long: &["stdin", "tty", "quiet"],
    long_valued: &["container", "namespace", "context", "pod-running-timeout"],
};

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    let verb = called.word(1).unwrap_or_default();
    Some(match called.name {
        "docker" | "podman" | "nerdctl" => match verb {
            "exec" => after(called, 2, EXEC, 1, &["e", "env"]),
            "run" => after(called, 2, RUN, 1, &["e", "env"]),
            "container" => match called.word(2) {
                Some("exec") => after(called, 3, EXEC, 1, &["e", "env"]),
                Some("run") => after(called, 3, RUN, 1, &["e", "env"]),
                other => if_harmless(called, other.unwrap_or_default(), DOCKER),
            },
            _ => if_harmless(called, verb, DOCKER),
        },
        "kubectl" | "oc" => match verb {
            "exec" => kubectl(called),
            _ => if_harmless(called, verb, KUBERNETES),
        },
        "crictl" | "ctr" | "lxc" | "lxc-attach" | "lxc-execute" | "incus" | "virsh" | "machinectl" | "docker-compose"
        | "podman-compose" | "runc" | "crun" | "buildah" | "skopeo" | "helm" | "k3s" | "k9s" | "minikube" | "nomad" | "bwrap"
        | "firejail" | "flatpak" | "snap" | "distrobox" | "toolbox" | "apptainer" | "singularity" | "systemd-nspawn" | "jexec" => {
            Inside::Unseen(called.says("can run commands in ways that are not followed"))
        }
        _ => return None,
    })
}

const DOCKER: &[&str] = &[
    "",
    "images",
    "info",
    "inspect",
    "kill",
    "logs",
    "ls",
    "pause",
    "port",
    "ps",
    "pull",
    "push",
    "rename",
    "restart",
    "rm",
    "rmi",
    "start",
    "stats",
    "stop",
    "tag",
    "top",
    "unpause",
    "version",
    "wait",
    "--version",
    "--help",
];

const KUBERNETES: &[&str] = &[
    "",
    "annotate",
    "api-resources",
    "api-versions",
    "auth",
    "autoscale",
    "cluster-info",
    "cordon",
    "cp",
    "delete",
    "describe",
    "drain",
    "explain",
    "expose",
    "get",
    "label",
    "logs",
    "rollout",
    "scale",
    "taint",
    "top",
    "uncordon",
    "version",
    "wait",
    "--help",
];

fn if_harmless(called: &Called<'_>, verb: &str, harmless: &[&str]) -> Inside {
    let configured = |word: &String| word.starts_with("--kubeconfig") || word.starts_with("--config") || word.starts_with("--exec");
    if !harmless.contains(&verb) || called.may_get_options() || called.arguments().iter().any(configured) {
        return Inside::Unseen(called.says("can run commands in ways that are not followed"));
    }
    Inside::Nothing
}

/// `exec [OPTION…] CONTAINER COMMAND…`
fn after(called: &Called<'_>, from: usize, options: Options, operands: usize, sets: &[&str]) -> Inside {
    let at = match options.operands(called, from) {
        Ok(at) => at,
        Err(why) => return Inside::Unseen(why),
    };
    let before = called.words.get(from..at).unwrap_or_default();
    let environment = match variables(before, sets) {
        Some(environment) => environment,
        None => return Inside::Unseen(called.says("sets variables in a way that is not followed")),
    };
    if called.words.len() <= at + operands {
        return Inside::Unseen(called.says("runs a command that is not seen"));
    }
    Inside::Command { at: at + operands, environment, open: false }
}

/// The names that `-e NAME=VALUE` sets.
fn variables(words: &[String], options: &[&str]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.trim_start_matches('-');
        let value = if options.contains(&name) {
            words.next()?.as_str()
        } else if let Some(value) = name.strip_prefix("env=") {
            value
        } else if word.starts_with('-') && !word.starts_with("--") && name.contains('e') {
            return None;
        } else {
            continue;
        };
        let name = value.split_once('=').map_or(value, |(name, _)| name);
        crate::shell::names::is_name(name).then(|| names.push(name.to_owned()))?;
    }
    Some(names)
}

/// `kubectl exec POD -- COMMAND…`: options may stand on both sides of the pod, so the dashes must be there.
fn kubectl(called: &Called<'_>) -> Inside {
    let Some(dashes) = called.words.iter().position(|word| word == "--") else {
        return Inside::Unseen(called.says("runs a command without `--` before it"));
    };
    let pod = match KUBECTL.operands(called, 2) {
        Ok(pod) => pod,
        Err(why) => return Inside::Unseen(why),
    };
    match KUBECTL.operands(called, pod + 1) {
        Ok(end) if pod < dashes && end == dashes + 1 && end < called.words.len() => Inside::command(end),
        Ok(_) => Inside::Unseen(called.says("runs a command that is not seen")),
        Err(why) => Inside::Unseen(why),
    }
}

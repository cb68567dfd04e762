//! `bartizan kubeconfig`: a file for kubectl with a context for each Kubernetes target, reached through a forwarded port. It holds no
//! secret, is the bastion's own, and stands beside the user's in `KUBECONFIG`, which kubectl merges by itself.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use super::bastion::Bastion;
use super::print::{json as print_json, out};
use super::signing::from_home;
use super::{Common, Exit};
use crate::model::{TargetKind, TargetName};

/// The lists of a kubeconfig, in which every item has a name.
const LISTS: [&str; 3] = ["clusters", "contexts", "users"];

/// Options of `bartizan kubeconfig`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  bartizan kubeconfig --bastion bastion.example.com prod
  ssh -N -L 8001:prod:443 bastion.example.com &                   # or, as a service: bartizan tunnel … prod=8001
  KUBECONFIG=~/.kube/bartizan:~/.kube/config kubectl --context prod@bastion.example.com get pods")]
pub(super) struct Args {
    /// Kubernetes targets; on the bastion itself, without any, all of them
    #[arg(value_name = "TARGET")]
    targets: Vec<TargetName>,
    /// The bastion; without it, the one that the configuration file names
    #[arg(long, value_name = "HOST[:PORT]", env = "BARTIZAN_BASTION", hide_env_values = true)]
    bastion: Option<Bastion>,
    /// The file, in JSON, which kubectl reads like YAML; what else is in it stays
    #[arg(long, value_name = "FILE", default_value = "~/.kube/bartizan")]
    file: String,
    /// The first target's port on this machine, the next one's for the next; without it, those in the file, and free ones from 8001
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The namespace that kubectl begins in
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Print the file instead of writing it
    #[arg(long, conflicts_with = "json")]
    print: bool,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

/// One context as it was written.
#[derive(Serialize)]
struct Written {
    target: String,
    context: String,
    port: u16,
    /// What opens the way.
    forward: String,
    /// What opens it with a service's token, and keeps it open.
    tunnel: String,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let (bastion, targets) = asked(common, args)?;
    let path = from_home(&args.file);
    let mut file = read(&path)?;
    let mut written = Vec::new();
    let mut next = args.port;
    for target in &targets {
        let context = format!("{target}@{}", bastion.host);
        let port = match next {
            Some(port) => port,
            None => port_of(&file, &context).map_or_else(|| free_port(&file), Ok)?,
        };
        next = match next {
            Some(port) => Some(port.checked_add(1).ok_or_else(|| Exit::usage("--port: there are not that many ports"))?),
            None => None,
        };
        put(&mut file, &context, port, args.namespace.as_deref());
        let to = bastion.port.map_or_else(|| bastion.host.clone(), |at| format!("-p {at} {}", bastion.host));
        let at = bastion.port.map_or_else(|| bastion.host.clone(), |at| format!("{}:{at}", bastion.host));
        written.push(Written {
            target: target.to_string(),
            context,
            port,
            forward: format!("ssh -N -L {port}:{target}:443 {to}"),
            tunnel: format!("bartizan tunnel --bastion {at} --host-ca HOST_CA --token-file TOKEN {target}={port}"),
        });
    }
    if let (Some(Value::String(current)), Some(first)) = (file.get_mut("current-context"), written.first())
        && current.is_empty()
    {
        current.clone_from(&first.context);
    }
    if args.print {
        out(&format!("{file:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    write(&path, &file)?;
    if args.json {
        print_json(&json!({ "file": path, "contexts": written }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("Written to {}. Let kubectl read it beside your own:\n\n", path.display());
    text.push_str(&format!("    export KUBECONFIG={}:~/.kube/config\n\nFor each target open a way and leave it open:\n\n", args.file));
    for one in &written {
        text.push_str(&format!("    {} &\n    kubectl --context {} get pods\n", one.forward, one.context));
    }
    text.push_str("\nA service opens it with its token, in the file TOKEN, and leaves it to be kept open:\n\n");
    for one in &written {
        text.push_str(&format!("    {} &\n", one.tunnel));
    }
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The bastion and the targets that are meant.
fn asked(common: &Common, args: &Args) -> Result<(Bastion, Vec<TargetName>), Exit> {
    let config = match &args.bastion {
        None if !common.config.exists() => return Err(Exit::usage("which bastion? Name it with --bastion HOST[:PORT]")),
        None => Some(common.load()?),
        Some(named) => common.load().ok().filter(|config| config.server.name == named.host),
    };
    let bastion = match (&args.bastion, &config) {
        (Some(named), _) => named.clone(),
        (None, Some(config)) => Bastion::of(&config.server),
        (None, None) => return Err(Exit::usage("which bastion? Name it with --bastion HOST[:PORT]")),
    };
    let Some(config) = config else {
        let none = args.targets.is_empty();
        return if none {
            Err(Exit::usage("which targets? Name them; `ssh BASTION targets` lists yours"))
        } else {
            Ok((bastion, args.targets.clone()))
        };
    };
    let of_kind = |target: &&crate::config::Target| target.kind() == TargetKind::Kubernetes;
    let known: Vec<TargetName> = config.targets.iter().filter(of_kind).map(|target| target.name.clone()).collect();
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(name)) {
        return Err(Exit::refused(format!("there is no Kubernetes target {unknown}; `bartizan targets` lists all targets")));
    }
    match (args.targets.is_empty(), known.is_empty()) {
        (true, true) => Err(Exit::refused("the configuration has no Kubernetes target")),
        (true, false) => Ok((bastion, known)),
        (false, _) => Ok((bastion, args.targets.clone())),
    }
}

/// The file as it is, or an empty one.
fn read(path: &Path) -> Result<Value, Exit> {
    let empty = json!({ "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "", "clusters": [], "contexts": [], "users": [] });
    let text = match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => return Ok(empty),
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(empty),
        Err(error) => return Err(Exit::incomplete(format!("{}: {error}", path.display()))),
    };
    let foreign = || {
        let file = path.display();
        Exit::refused(format!("{file} is not a kubeconfig in JSON: give --file one of its own, and name both in KUBECONFIG"))
    };
    let file: Value = serde_json::from_str(&text).map_err(|_| foreign())?;
    let is_whole =
        LISTS.iter().all(|list| file.get(list).is_some_and(Value::is_array)) && file.get("current-context").is_some_and(Value::is_string);
    if is_whole { Ok(file) } else { Err(foreign()) }
}

/// Puts one context in, or its new form.
fn put(file: &mut Value, context: &str, port: u16, namespace: Option<&str>) {
    let mut within = json!({ "cluster": context, "user": "bartizan" });
    if let (Some(namespace), Value::Object(fields)) = (namespace, &mut within) {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    let items = [
        ("clusters", json!({ "name": context, "cluster": { "server": format!("http://127.0.0.1:{port}") } })),
        ("contexts", json!({ "name": context, "context": within })),
        // Who somebody is, the certificate of ssh says.
        ("users", json!({ "name": "bartizan", "user": {} })),
    ];
    for (list, item) in items {
        if let Some(list) = file.get_mut(list).and_then(Value::as_array_mut) {
            list.retain(|known| known.get("name") != item.get("name"));
            list.push(item);
        }
    }
}

/// Every cluster of the file on a port of this machine.
fn ports(file: &Value) -> impl Iterator<Item = (&str, u16)> {
    let clusters = file.get("clusters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    clusters.iter().filter_map(|cluster| {
        let server = cluster.pointer("/cluster/server")?.as_str()?;
        Some((cluster.get("name")?.as_str()?, server.strip_prefix("http://127.0.0.1:")?.parse().ok()?))
    })
}

fn port_of(file: &Value, context: &str) -> Option<u16> {
    ports(file).find(|(name, _)| *name == context).map(|(_, port)| port)
}

/// The first port from 8001 that no cluster of the file has.
fn free_port(file: &Value) -> Result<u16, Exit> {
    let taken: Vec<u16> = ports(file).map(|(_, port)| port).collect();
    (8001..=u16::MAX).find(|port| !taken.contains(port)).ok_or_else(|| Exit::refused("every port is taken"))
}

/// Replaces the file in one step.
fn write(path: &Path, file: &Value) -> Result<(), Exit> {
    let failed = |error: std::io::Error| Exit::incomplete(format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    fs::create_dir_all(&folder).map_err(failed)?;
    // Files of that kind are made for their owner alone.
    let new = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?;
    fs::write(new.path(), format!("{file:#}\n")).map_err(failed)?;
    new.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_put_beside_what_is_there_and_keep_their_ports() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let mut file = read(&path).unwrap();
        for (context, namespace) in [("prod@b", None), ("test@b", Some("shop"))] {
            let port = free_port(&file).unwrap();
            put(&mut file, context, port, namespace);
        }
        write(&path, &file).unwrap();
        let mut again = read(&path).unwrap();
        assert_eq!((port_of(&again, "prod@b"), port_of(&again, "test@b"), free_port(&again).unwrap()), (Some(8001), Some(8002), 8003));
        put(&mut again, "prod@b", 9000, None);
        assert_eq!(again["clusters"].as_array().unwrap().len(), 2);
        assert_eq!(again["users"].as_array().unwrap().len(), 1);
        assert_eq!((port_of(&again, "prod@b"), &again["contexts"][0]["context"]["namespace"]), (Some(9000), &json!("shop")));
    }

    #[test]
    fn a_file_of_another_form_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        for text in ["apiVersion: v1\nkind: Config\n", "{}", "[1]"] {
            fs::write(&path, text).unwrap();
            assert!(read(&path).is_err(), "{text}");
        }
    }
}

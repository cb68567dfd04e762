//! What a request to an API server does, in a sentence, for whoever decides about it. Says nothing that the request does not; decides
//! nothing.

use crate::ApiRequest;

/// What `request` does, without a full stop: "deletes deployments.apps web in namespace shop".
#[must_use]
pub fn summary(request: &ApiRequest) -> String {
    let subresource = request.subresource.as_deref();
    let does = match (request.verb.as_str(), subresource) {
        (_, Some("exec")) => "runs a command in ",
        (_, Some("attach")) => "attaches to ",
        (_, Some("portforward")) => "forwards ports to ",
        ("proxy", _) | (_, Some("proxy")) => "reaches through the API server into ",
        ("get", _) => "reads ",
        ("list", _) if request.name.is_none() => "reads all ",
        ("list", _) => "reads ",
        ("watch", _) if request.name.is_none() => "watches all ",
        ("watch", _) => "watches ",
        ("create", _) => "creates ",
        ("update", _) => "replaces ",
        ("patch", _) => "changes ",
        ("delete", _) => "deletes ",
        ("deletecollection", _) => "deletes all ",
        (verb, _) => &format!("{verb}: "),
    };
    let part = match subresource {
        None | Some("exec" | "attach" | "portforward" | "proxy") => String::new(),
        Some(part) => format!("the {part} of "),
    };
    let group = if request.group.is_empty() { String::new() } else { format!(".{}", request.group) };
    let name = request.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    let container = request.container.as_deref().map(|name| format!(" (container {name})")).unwrap_or_default();
    let place = match (&request.namespace, request.name.is_some(), request.verb.as_str()) {
        (Some(namespace), ..) => format!(" in namespace {namespace}"),
        (None, false, "list" | "watch" | "deletecollection") => " of the whole cluster".to_owned(),
        (None, ..) => String::new(),
    };
    let selected = if request.verb == "deletecollection" { ", as far as its selectors do not leave any out" } else { "" };
    let dry = if request.dry_run { ", of which nothing is kept: a dry run" } else { "" };
    format!("{does}{part}{}{group}{name}{container}{place}{selected}{dry}", request.resource)
}

#[cfg(test)]
mod tests {
    use super::summary;
    use crate::http::read;
    use crate::kubernetes::{Resolved, resolve};

    #[test]
    fn what_a_request_does_is_told_in_a_sentence() {
        let of = |method: &str, path: &str| match resolve(method, &read(path).expect("a path"), false) {
            Ok(Resolved::Resource(request)) => summary(&request),
            other => panic!("{method} {path}: {other:?}"),
        };
        for (method, path, wanted) in [
            ("DELETE", "/apis/apps/v1/namespaces/shop/deployments/web", "deletes deployments.apps web in namespace shop"),
            ("DELETE", "/api/v1/namespaces/shop/pods", "deletes all pods in namespace shop, as far as its selectors do not leave any out"),
            ("DELETE", "/api/v1/nodes/one", "deletes nodes one"),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", "changes the scale of deployments.apps web in namespace shop"),
            ("PUT", "/api/v1/namespaces/shop/configmaps/a", "replaces configmaps a in namespace shop"),
            ("POST", "/api/v1/namespaces/shop/pods", "creates pods in namespace shop"),
            ("POST", "/api/v1/namespaces/shop/pods?dryRun=All", "creates pods in namespace shop, of which nothing is kept: a dry run"),
            ("POST", "/api/v1/namespaces/shop/pods/web/eviction", "creates the eviction of pods web in namespace shop"),
            ("GET", "/api/v1/secrets", "reads all secrets of the whole cluster"),
            ("GET", "/api/v1/namespaces/shop/secrets?watch=1", "watches all secrets in namespace shop"),
            ("GET", "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Da", "reads secrets a in namespace shop"),
            ("GET", "/api/v1/namespaces/shop/pods/web/log?container=app", "reads the log of pods web (container app) in namespace shop"),
            (
                "GET",
                "/api/v1/namespaces/shop/pods/web/exec?command=ls&container=app",
                "runs a command in pods web (container app) in namespace shop",
            ),
            (
                "GET",
                "/api/v1/namespaces/shop/services/web/proxy/admin",
                "reaches through the API server into services web in namespace shop",
            ),
        ] {
            assert_eq!(of(method, path), wanted, "{method} {path}");
        }
    }
}

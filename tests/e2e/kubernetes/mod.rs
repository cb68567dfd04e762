//! Kubernetes targets: an API server behind the bastion, and stock kubectl of two versions before it. Each request is resolved, decided,
//! masked and recorded, and reaches the server as its caller.

mod bench;
mod clients;
mod deciding;
mod exec;
mod helm;
mod masks;
mod site;
mod tunnel;

pub(crate) use site::Server;

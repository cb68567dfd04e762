//! Who is there: OpenID Connect providers, certificate authorities, certificate checks. `Ask` to `Identified`.

pub mod oidc;

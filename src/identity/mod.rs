//! Who is there: certificate authorities, certificate checks, OIDC. Turns an `Ask` into an `Identified`; never decides what
//! somebody may do.

pub mod authority;
pub mod certificate;

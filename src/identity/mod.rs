//! Who is there: OpenID Connect providers, certificate authorities, certificate checks, revocation. Turns an `Ask` into an
//! [`Identified`]; never decides what somebody may do.

pub mod authority;
mod caller;
pub mod certificate;
mod desk;
pub mod oidc;
mod voucher;

pub use caller::{Caller, Identified, LOCAL, Proof};
pub use desk::IdentityDesk;
pub use voucher::{KEY as VOUCHER_KEY, Vouchers, jwks};

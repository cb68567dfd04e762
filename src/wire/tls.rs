//! TLS towards a target whose certificate is checked by an authority of the configuration or of the system. There is no way here to
//! check nothing.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Why TLS cannot be set up. Holds no key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{0}: {1}")]
    File(String, String),
    /// The settings do not go together.
    #[error("TLS cannot be set up: {0}")]
    Settings(String),
}

impl TlsError {
    /// The reason alone.
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Self::File(_, why) | Self::Settings(why) => why,
        }
    }
}

/// Whom to trust, and whom to be.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// The authorities, PEM; without it, those of the system.
    pub ca: Option<&'a Path>,
    /// Our certificate and its key, PEM.
    pub identity: Option<(&'a Path, &'a Path)>,
    /// Whether the certificate has to be for the name that is connected to.
    pub checks_name: bool,
}

/// The settings for a connection to `peer`. Reads files: call it off the runtime.
///
/// # Errors
/// When a file cannot be read or used.
pub fn client(peer: Peer<'_>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = |e: &dyn std::fmt::Display| TlsError::Settings(e.to_string());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(peer.ca)?), Arc::clone(&provider));
    let verifier = verifier.build().map_err(|e| settings(&e))?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| settings(&e))?.dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(Checked { verifier, checks_name: peer.checks_name, provider }));
    let config = match peer.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| TlsError::File(key.display().to_string(), e.to_string()))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| settings(&e))?
        }
    };
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        // An authority that is named is the only one.
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| TlsError::File(path.display().to_string(), e.to_string()))?;
            }
        }
        None => {
            let (_taken, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// The certificates of a PEM file: at least one.
///
/// # Errors
/// When it cannot be read or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fail = |why: String| TlsError::File(path.display().to_string(), why);
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match read {
        Ok(found) if found.is_empty() => Err(fail("holds no certificate in PEM form".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(fail(error.to_string())),
    }
}

/// Checks the chain always, and the name unless it is told not to.
#[derive(Debug)]
struct Checked {
    verifier: Arc<WebPkiServerVerifier>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Checked {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last, after all else was found good.
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }))
                if !self.checks_name =>
            {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

//! How the streams of `exec` and `attach` are to share the connection: what the client offers of what is spoken here, and what the
//! server agrees to.

use hyper::header::{HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use super::codec::Framing;
use super::{channels, spdy};

/// Where clients and servers of SPDY name the protocol inside.
const SPDY_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What a client offers of what is spoken here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateways::kubernetes) struct Offer {
    is_websocket: bool,
    protocols: Vec<String>,
}

impl Offer {
    /// What the client offers.
    ///
    /// # Errors
    /// When nothing of it is spoken here, in a sentence.
    pub(in crate::gateways::kubernetes) fn of(headers: &HeaderMap, upgrade: Option<&HeaderValue>) -> Result<Self, String> {
        let framing = upgrade.map(|name| name.to_str().unwrap_or_default().trim().to_ascii_lowercase());
        let (is_websocket, name, spoken) = match framing.as_deref() {
            Some("websocket") => (true, SEC_WEBSOCKET_PROTOCOL, channels::SPOKEN),
            Some("spdy/3.1") => (false, SPDY_PROTOCOL, spdy::SPOKEN),
            _ => return Err("exec and attach need an upgrade of the connection to WebSocket or SPDY/3.1.".to_owned()),
        };
        let said = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
        let protocols: Vec<String> = said.filter(|name| spoken.contains(name)).map(str::to_owned).collect();
        if protocols.is_empty() {
            let framing = if is_websocket { "WebSocket" } else { "SPDY" };
            return Err(format!("The client offers no protocol that is recorded; over {framing} those are {}.", spoken.join(" and ")));
        }
        Ok(Self { is_websocket, protocols })
    }

    /// What the server is offered instead of what the client said: it must not agree to what is not spoken here.
    pub(in crate::gateways::kubernetes) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        // API servers before 1.27 read no list where it is SPDY's; the first of what a client offers is what it likes best.
        let (name, said) = match self.is_websocket {
            true => (SEC_WEBSOCKET_PROTOCOL, self.protocols.join(", ")),
            false => (SPDY_PROTOCOL, self.protocols.iter().find(|name| *name == V4).or(self.protocols.first())?.clone()),
        };
        Some((name, HeaderValue::from_str(&said).ok()?))
    }

    /// What the server agreed to.
    ///
    /// # Errors
    /// When that was not offered.
    pub(super) fn agreed(&self, headers: &HeaderMap) -> Result<Framing, String> {
        let name = if self.is_websocket { SEC_WEBSOCKET_PROTOCOL } else { SPDY_PROTOCOL };
        let said = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !self.protocols.iter().any(|offered| offered == said) {
            return Err(format!("the API server agreed to the protocol {said:?}, which was not offered"));
        }
        Ok(if self.is_websocket { Framing::WebSocket(said.to_owned()) } else { Framing::Spdy(said.to_owned()) })
    }
}

/// Every API server since 1.4 speaks it.
const V4: &str = "v4.channel.k8s.io";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_what_is_spoken_here_is_offered_and_agreed_to() {
        let asked = headers(&[("sec-websocket-protocol", "v6.channel.k8s.io, v5.channel.k8s.io,v4.channel.k8s.io, base64.channel.k8s.io")]);
        let offer = Offer::of(&asked, Some(&HeaderValue::from_static("WebSocket"))).expect("spoken");
        assert_eq!(offer.header().expect("a header").1, "v5.channel.k8s.io, v4.channel.k8s.io");
        let agreed = offer.agreed(&headers(&[("sec-websocket-protocol", "v4.channel.k8s.io")]));
        assert_eq!(agreed, Ok(Framing::WebSocket("v4.channel.k8s.io".to_owned())));
        for not_offered in ["v6.channel.k8s.io", "base64.channel.k8s.io", ""] {
            assert!(offer.agreed(&headers(&[("sec-websocket-protocol", not_offered)])).is_err(), "{not_offered}");
        }
        assert!(offer.agreed(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_client_of_spdy_offers_line_by_line() {
        let mut asked = headers(&[("x-stream-protocol-version", "v5.channel.k8s.io")]);
        for more in ["v4.channel.k8s.io", "v3.channel.k8s.io", "channel.k8s.io"] {
            asked.append("x-stream-protocol-version", HeaderValue::from_static(more));
        }
        let offer = Offer::of(&asked, Some(&HeaderValue::from_static("SPDY/3.1"))).expect("spoken");
        assert_eq!(offer.header().expect("a header").1, "v4.channel.k8s.io");
        assert!(offer.agreed(&headers(&[("x-stream-protocol-version", "v4.channel.k8s.io")])).is_ok());
        assert!(offer.agreed(&headers(&[("x-stream-protocol-version", "channel.k8s.io")])).is_err());
    }

    #[test]
    fn what_is_not_spoken_is_refused_by_name() {
        let (websocket, spdy, other) =
            (HeaderValue::from_static("websocket"), HeaderValue::from_static("SPDY/3.1"), HeaderValue::from_static("h3"));
        let old = headers(&[("sec-websocket-protocol", "base64.channel.k8s.io"), ("x-stream-protocol-version", "channel.k8s.io")]);
        let refused = |headers: &HeaderMap, upgrade| Offer::of(headers, upgrade).expect_err("not spoken");
        assert!(refused(&old, Some(&websocket)).contains("over WebSocket those are v5.channel.k8s.io and v4.channel.k8s.io"));
        assert!(refused(&old, Some(&spdy)).contains("over SPDY those are"));
        assert!(refused(&HeaderMap::new(), Some(&spdy)).contains("over SPDY those are"));
        assert!(refused(&old, Some(&other)).contains("WebSocket or SPDY/3.1"));
        assert!(refused(&old, None).contains("WebSocket or SPDY/3.1"));
    }
}

//! SPDY's compressed headers (SPDY/3, section 2.6.10.1). One state for each direction: every block that passes has to be read.

use zlib_rs::{Inflate, InflateError, InflateFlush};

use crate::gateways::kubernetes::streams::said::Broken;

/// The longest block, inflated. The clients' have about fifty bytes.
const MAX: usize = 16 << 10;

/// Reads the blocks of one direction.
pub(super) struct Headers {
    inflate: Inflate,
}

impl Headers {
    pub(super) fn new() -> Self {
        Self { inflate: Inflate::new(true, 15) }
    }

    /// The names and values of the next block.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Vec<(String, String)>, Broken> {
        let plain = self.inflated(block)?;
        pairs(&plain).ok_or_else(|| Broken("the headers of a SPDY frame are not whole".to_owned()))
    }

    fn inflated(&mut self, block: &[u8]) -> Result<Vec<u8>, Broken> {
        let mut plain = vec![0; MAX];
        let (from, to) = (self.inflate.total_in(), self.inflate.total_out());
        loop {
            let (taken, given) = (count(self.inflate.total_in(), from), count(self.inflate.total_out(), to));
            let (rest, room) = (block.get(taken..).unwrap_or_default(), plain.get_mut(given..).unwrap_or_default());
            if room.is_empty() {
                return Broken::because("the headers of a SPDY frame are too long");
            }
            match self.inflate.decompress(rest, room, InflateFlush::SyncFlush) {
                Ok(_) => {}
                Err(InflateError::NeedDict { dict_id }) => self.look_up(dict_id)?,
                Err(_) => return Broken::because("the headers of a SPDY frame cannot be inflated"),
            }
            let (before, written) = (taken + given, count(self.inflate.total_out(), to));
            if count(self.inflate.total_in(), from) + written == before {
                // Nothing more comes of it: all was taken, or it ends before its end.
                if taken < block.len() {
                    return Broken::because("something follows the headers of a SPDY frame");
                }
                plain.truncate(written);
                return Ok(plain);
            }
        }
    }

    fn look_up(&mut self, id: u32) -> Result<(), Broken> {
        match self.inflate.set_dictionary(&dictionary()) {
            Ok(_) => Ok(()),
            Err(_) => Broken::because(format!("the headers of a SPDY frame are in words of another dictionary ({id:08x})")),
        }
    }
}

fn count(now: u64, before: u64) -> usize {
    usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX)
}

/// Their number, and then length and text of each name and value.
fn pairs(plain: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = plain;
    let pairs = (0..number(&mut rest)?).map(|_| Some((text(&mut rest)?, text(&mut rest)?))).collect::<Option<_>>()?;
    rest.is_empty().then_some(pairs)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, later) = rest.split_first_chunk()?;
    *rest = later;
    Some(u32::from_be_bytes(*number))
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (text, later) = rest.split_at_checked(length)?;
    *rest = later;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

/// The dictionary that both sides know beforehand: words with their lengths, and then a text.
pub(in crate::gateways::kubernetes::streams) fn dictionary() -> Vec<u8> {
    let words = WORDS.split('|').flat_map(|word| {
        let length = u32::try_from(word.len()).unwrap_or(u32::MAX).to_be_bytes();
        length.into_iter().chain(word.bytes())
    });
    words.chain(TEXT.bytes()).collect()
}

const WORDS: &str = "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|age|allow|\
    authorization|cache-control|connection|content-base|content-encoding|content-language|content-length|content-location|content-md5|\
    content-range|content-type|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|\
    last-modified|location|max-forwards|pragma|proxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|\
    transfer-encoding|upgrade|user-agent|vary|via|warning|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|\
    set-cookie|keep-alive|origin";

const TEXT: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative \
    Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server \
    Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, \
    Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,\
    publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

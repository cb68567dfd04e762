//! At the prompt: the editor's keys, the window's size, and what still comes from the target meanwhile. Nothing is sent to the
//! target but the window's size.

use bytes::Bytes;
use futures_util::FutureExt;
use russh::ChannelMsg;

use crate::model::Printable;

use super::editor::Effect;
use super::guard::Guard;
use super::running;
use super::show::Over;

/// What a program may have left behind in a terminal: colours, a hidden cursor, keypad and mouse modes (xterm).
const SANE: &str = "\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l";

/// The longest folder that is shown in the prompt, in characters.
const FOLDER: usize = 40;

enum Came {
    Visitor(Option<ChannelMsg>),
    Terminal(Option<ChannelMsg>),
    Redraw,
}

impl Guard<'_> {
    /// Edits one line. Gives it, and what was typed behind it.
    pub(super) async fn prompt(&mut self) -> Result<(String, Bytes), Over> {
        self.drop_early_keys().await?;
        if self.window.has_ended {
            return Err(Over::Done(self.status));
        }
        if self.window.columns > 0 {
            self.editor.resize(self.window.columns, false);
        }
        let sane = if std::mem::take(&mut self.has_run) && !self.editor.is_plain() { SANE } else { "" };
        let text = self.prompt_text();
        let begun = self.show.new_line(self.editor.columns(), self.editor.is_plain()) + sane + &self.editor.prompt(&text);
        self.show.output(begun.into()).await?;
        let mut exit = None;
        loop {
            let came = tokio::select! {
                message = self.visitor.wait() => Came::Visitor(message),
                message = self.far.ears.terminal.wait() => Came::Terminal(message),
                () = self.redraw.notified() => Came::Redraw,
            };
            match came {
                Came::Visitor(None | Some(ChannelMsg::Close)) => return Err(Over::Left),
                Came::Visitor(Some(message)) => {
                    if let Some(entered) = self.edit(message).await? {
                        return Ok(entered);
                    }
                }
                Came::Terminal(message) => {
                    let lifted = self.editor.lift();
                    self.show.output(lifted.into()).await?;
                    if !running::shown(message, &mut self.far.ears, &mut None, &mut exit, &self.show).await? {
                        return Err(Over::Shell(exit));
                    }
                    self.draw_again().await?;
                }
                Came::Redraw => self.draw_again().await?,
            }
        }
    }

    /// What was typed before there was a prompt was not typed at it.
    async fn drop_early_keys(&mut self) -> Result<(), Over> {
        while let Some(message) = self.visitor.wait().now_or_never() {
            match message {
                None | Some(ChannelMsg::Close) => return Err(Over::Left),
                Some(ChannelMsg::Eof) => self.window.has_ended = true,
                Some(ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height }) => {
                    let (size, pixels) = ((col_width, row_height), (pix_width, pix_height));
                    running::resized(size, pixels, &self.far.to_terminal, &mut self.window, &self.show).await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// `deploy@web-1:~/logs$ `, escaped and not too long.
    fn prompt_text(&self) -> String {
        let folder = match self.folder.strip_prefix(&self.home) {
            Some(rest) if self.home.len() > 1 && (rest.is_empty() || rest.starts_with('/')) => format!("~{rest}"),
            _ => self.folder.clone(),
        };
        let shown = Printable(&folder).to_string();
        let length = shown.chars().count();
        let shown = if length > FOLDER { format!("…{}", shown.chars().skip(length - FOLDER).collect::<String>()) } else { shown };
        format!("{}@{}:{shown}$ ", self.ask.account(), self.ask.target)
    }

    async fn draw_again(&mut self) -> Result<(), Over> {
        let again = self.show.new_line(self.editor.columns(), self.editor.is_plain()) + &self.editor.again();
        self.show.output(again.into()).await
    }

    async fn edit(&mut self, message: ChannelMsg) -> Result<Option<(String, Bytes)>, Over> {
        let data = match message {
            ChannelMsg::Data { data } => data,
            ChannelMsg::Eof => return Err(Over::Done(self.status)),
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                let (size, pixels) = ((col_width, row_height), (pix_width, pix_height));
                running::resized(size, pixels, &self.far.to_terminal, &mut self.window, &self.show).await?;
                let drawn = self.editor.resize(col_width, true);
                self.show.output(drawn.into()).await?;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        self.show.traffic.add_up(data.len());
        let (effects, taken) = self.editor.feed(&data, &self.desk);
        for effect in effects {
            match effect {
                Effect::Show(text) => self.show.output(text.into()).await?,
                Effect::Enter(text) => return Ok(Some((text, data.slice(taken.min(data.len())..)))),
                Effect::GivenUp => self.status = 130,
                Effect::End => return Err(Over::Done(self.status)),
            }
        }
        Ok(None)
    }
}

//! Columns of a row: some as wide as they are, the rest shared.

use crate::safe::pad;
use crate::theme::Role;

/// Pieces of a row with their roles.
pub(crate) type Cells = Vec<(Role, String)>;

/// Lays `parts` out in `width` columns. Each has a width of its own, or a share (0 for the width) of what is left.
pub(crate) fn columns(width: usize, parts: Vec<(Role, String, usize)>) -> Cells {
    let fixed: usize = parts.iter().map(|(_, _, own)| own + 1).sum();
    let shares = parts.iter().filter(|(_, _, own)| *own == 0).count().max(1);
    let each = width.saturating_sub(fixed) / shares;
    let mut left = width;
    let mut cells = Vec::new();
    for (role, text, own) in parts {
        let wide = if own == 0 { each } else { own }.min(left);
        if wide == 0 {
            continue;
        }
        cells.push((role, pad(&text, wide)));
        left = left.saturating_sub(wide);
        if left > 0 {
            cells.push((Role::Plain, " ".to_owned()));
            left -= 1;
        }
    }
    cells
}

//! Elastic tab stops: cells that end in a tab are aligned with those above and below them.
//!
//! The layout that `kubectl` and Velero print: a column is a block of consecutive lines that have a cell there.

/// How wide the columns are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Least width of a column, its padding included.
    pub(crate) min_width: usize,
    /// Blanks behind the widest cell of a column.
    pub(crate) padding: usize,
}

/// Tables as `kubectl get` prints them.
pub(crate) const TABLE: Layout = Layout { min_width: 6, padding: 3 };
/// Descriptions as `velero describe` prints them.
pub(crate) const DESCRIPTION: Layout = Layout { min_width: 0, padding: 2 };

/// Least room for a last cell that is broken into several lines.
const MIN_ROOM: usize = 24;

/// Replaces the tabs of a text by blanks. The last cell of a line, the one without a tab, has any width.
pub(crate) fn expand(text: &str, layout: Layout) -> String {
    expand_within(text, layout, None)
}

/// [`expand`] for a terminal of this width: last cells that are too wide for it go on below their beginning, broken between words.
pub(crate) fn expand_within(text: &str, layout: Layout, width: Option<usize>) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        for block in blocks(&widths, column) {
            let widest =
                lines[block.clone()].iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
            let width = (widest + layout.padding).max(layout.min_width);
            for line in &mut widths[block] {
                line[column] = width;
            }
        }
    }
    let lines = lines.iter().zip(&widths).map(|(cells, widths)| line(cells, widths, width));
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs of lines that have a tab behind the given column, and behind all columns before it.
fn blocks(widths: &[Vec<usize>], column: usize) -> Vec<std::ops::Range<usize>> {
    let mut blocks = Vec::new();
    let mut start = None;
    for (at, line) in widths.iter().enumerate() {
        match (line.len() > column, start) {
            (true, None) => start = Some(at),
            (false, Some(first)) => {
                blocks.push(first..at);
                start = None;
            }
            _ => {}
        }
    }
    blocks.extend(start.map(|first| first..widths.len()));
    blocks
}

fn line(cells: &[&str], widths: &[usize], within: Option<usize>) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(cell);
        text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
    }
    let last = cells.last().copied().unwrap_or_default();
    let begin = widths.iter().sum();
    match within {
        Some(within) if begin + visible(last) > within => text.push_str(&broken(last, begin, within)),
        _ => text.push_str(last),
    }
    text.truncate(text.trim_end_matches(' ').len());
    text
}

/// A cell that begins at this column, in lines that end before the width.
fn broken(cell: &str, begin: usize, width: usize) -> String {
    let indent = cell.len() - cell.trim_start_matches(' ').len();
    // What goes on is told from what begins by two more blanks, where no column does that.
    let hang = if begin == 0 { indent + 2 } else { begin + indent };
    if hang + MIN_ROOM > width {
        return cell.to_owned();
    }
    let mut text = " ".repeat(indent);
    let mut column = begin + indent;
    let mut first = true;
    for word in cell[indent..].split(' ') {
        let wide = visible(word);
        if !first && column + 1 + wide > width {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', hang));
            column = hang;
        } else if !first {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += wide;
        first = false;
    }
    text
}

/// Columns that a text takes: escape sequences of colours take none.
fn visible(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let plain = parts.next().map_or(0, |part| part.chars().count());
    plain + parts.map(|part| part.split_once('m').map_or(0, |(_, rest)| rest.chars().count())).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::{DESCRIPTION, TABLE, expand, expand_within};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = "NAME\tSTATUS\tAGE\ndemo\tCompleted\t5m\nlonger-name\tNew\t1s";
        let expected =
            "NAME          STATUS      AGE\ndemo          Completed   5m\nlonger-name   New         1s";
        assert_eq!(expand(text, TABLE), expected);
        assert_eq!(expand("A\tB\n", TABLE), "A     B\n");
    }

    #[test]
    fn what_is_too_wide_for_the_terminal_goes_on_below_its_beginning() {
        let text = "Name:\tdemo\nReason:\tthe bucket can't be reached from here\n  a line of its own that goes on and on and on\n  - \
                    \x1b[31mcoloured\x1b[0m text does fit in here\nUrl:\thttps://example.io/a/very/long/path/without/any/blank";
        let expected = "Name:    demo\nReason:  the bucket can't be\n         reached from here\n  a line of its own that goes on\n    \
                        and on and on\n  - \x1b[31mcoloured\x1b[0m text does fit in\n    here\nUrl:  \
                        https://example.io/a/very/long/path/without/any/blank";
        assert_eq!(expand_within(text, DESCRIPTION, Some(33)), expected);
        assert_eq!(expand_within(text, DESCRIPTION, None), expand(text, DESCRIPTION));
        assert_eq!(expand_within("a b", DESCRIPTION, Some(2)), "a b");
    }

    #[test]
    fn a_line_without_the_column_ends_the_block() {
        let text = "Name:\tdemo\nNamespace:\tvelero\n\nPhase:\tCompleted\n\nNamespaces:\n  Included:\t*";
        let expected =
            "Name:       demo\nNamespace:  velero\n\nPhase:  Completed\n\nNamespaces:\n  Included:  *";
        assert_eq!(expand(text, DESCRIPTION), expected);
    }
}

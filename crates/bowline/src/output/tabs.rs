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

/// Replaces the tabs of a text by blanks. The last cell of a line, the one without a tab, has any width.
pub(crate) fn expand(text: &str, layout: Layout) -> String {
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
    let lines = lines.iter().zip(&widths).map(|(cells, widths)| line(cells, widths));
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

fn line(cells: &[&str], widths: &[usize]) -> String {
    let mut text = String::new();
    for (at, cell) in cells.iter().enumerate() {
        text.push_str(cell);
        let blanks = widths.get(at).map_or(0, |width| width - cell.chars().count());
        text.extend(std::iter::repeat_n(' ', blanks));
    }
    text.truncate(text.trim_end_matches(' ').len());
    text
}

#[cfg(test)]
mod tests {
    use super::{DESCRIPTION, TABLE, expand};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = "NAME\tSTATUS\tAGE\ndemo\tCompleted\t5m\nlonger-name\tNew\t1s";
        let expected =
            "NAME          STATUS      AGE\ndemo          Completed   5m\nlonger-name   New         1s";
        assert_eq!(expand(text, TABLE), expected);
        assert_eq!(expand("A\tB\n", TABLE), "A     B\n");
    }

    #[test]
    fn a_line_without_the_column_ends_the_block() {
        let text = "Name:\tdemo\nNamespace:\tvelero\n\nPhase:\tCompleted\n\nNamespaces:\n  Included:\t*";
        let expected =
            "Name:       demo\nNamespace:  velero\n\nPhase:  Completed\n\nNamespaces:\n  Included:  *";
        assert_eq!(expand(text, DESCRIPTION), expected);
    }
}

//! Where in a cron expression a mistake is. The server says what it is in Velero's words, which name no field.

use bowline_engine::schedule::Cron;

/// The fields in their order.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];

/// The field that has the mistake; `None` when there is none, or none in a single field.
pub(crate) fn place(expression: &str) -> Option<String> {
    Cron::parse(expression).err()?;
    let zone = ["TZ=", "CRON_TZ="].iter().any(|prefix| expression.starts_with(prefix));
    let fields: Vec<&str> = expression.split_whitespace().skip(usize::from(zone)).collect();
    if fields.len() != FIELDS.len() {
        return None;
    }
    fields.iter().zip(FIELDS).enumerate().find_map(|(at, (field, name))| {
        let mut alone = ["*"; FIELDS.len()];
        alone[at] = field;
        Cron::parse(&alone.join(" ")).err()?;
        Some(format!("field {} of {}, the {name}: {field:?}", at + 1, FIELDS.len()))
    })
}

/// The mistake in an expression, with the field that has it; `None` when there is none.
pub(crate) fn mistake(expression: &str) -> Option<String> {
    let error = Cron::parse(expression).err()?;
    Some(place(expression).map_or_else(|| error.to_string(), |place| format!("{error} ({place})")))
}

#[cfg(test)]
mod tests {
    use super::mistake;

    #[test]
    fn the_field_with_the_mistake_is_named() {
        for (expression, said) in [
            ("0 25 * * *", "above maximum (23): 25 (field 2 of 5, the hour: \"25\")"),
            ("CRON_TZ=Europe/Berlin 0 1 * * 8", "field 5 of 5, the day of week: \"8\""),
            ("0 0 0 * *", "field 3 of 5, the day of month: \"0\""),
            ("TZ=Nowhere 0 1 * * *", "Nowhere"),
            ("@every", "unrecognized descriptor"),
        ] {
            let text = mistake(expression).unwrap();
            assert!(text.contains(said), "{expression}: {text}");
        }
        assert_eq!(mistake("0 1 * * *"), None);
        assert_eq!(mistake("@every 6h"), None);
    }
}

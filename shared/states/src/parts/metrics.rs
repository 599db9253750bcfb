//! Metrics in lines of the log. CloudWatch reads a line in its embedded metric format, so that a function needs neither a
//! call nor the permission to put metrics.

use serde_json::{Value, json};

use crate::Context;

/// Makes metrics of the members of a line that `metrics` names, each with its unit in CloudWatch's words. Their only
/// dimension is the stack, which becomes a member of the line.
pub(crate) fn embed(context: &Context, line: &mut Value, metrics: &[(&str, &str)]) {
    let metrics: Vec<Value> = metrics.iter().map(|(name, unit)| json!({"Name": name, "Unit": unit})).collect();
    line["Stack"] = json!(context.config.stack);
    line["_aws"] = json!({
        "Timestamp": context.clock.now().as_millisecond(),
        "CloudWatchMetrics": [{"Namespace": "Goldsmith", "Dimensions": [["Stack"]], "Metrics": metrics}],
    });
}

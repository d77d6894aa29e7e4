//! The audit log as CSV (RFC 4180) and as JSON lines: page by page, so that its length does not matter.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use doorward_domain::id::OrganizationId;
use doorward_store::AuditFilter;
use futures_util::StreamExt as _;
use futures_util::stream::{once, try_unfold};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::{EntryObject, page};
use crate::Control;

use crate::api::usage::{Format, push_cell};
use crate::problem::ApiError;

/// Entries that are read, and leave, in one piece.
const ENTRIES: u32 = 200;
const HEAD: &str = "sequence,at,actor,actor_name,action,subject,subject_name,detail\r\n";

/// Where a walk through the log is.
struct Walk {
    control: Control,
    organization: OrganizationId,
    filter: AuditFilter,
    before: Option<i64>,
    is_over: bool,
}

/// Answers with the entries as they come, newest first.
pub(super) fn stream(
    control: Control,
    organization: OrganizationId,
    filter: AuditFilter,
    format: Format,
) -> Response {
    let is_csv = format == Format::Csv;
    let walk = Walk { control, organization, filter, before: None, is_over: false };
    let pieces = try_unfold(walk, move |mut walk| async move {
        let entries = walk.next().await?;
        if entries.is_empty() {
            return Ok::<_, ApiError>(None);
        }
        let mut piece = String::new();
        for entry in entries {
            if is_csv {
                push_csv(&mut piece, &entry);
            } else {
                push_json(&mut piece, &entry)?;
            }
        }
        Ok(Some((piece, walk)))
    });
    // The answer has begun: a fault can only break it off.
    let pieces = pieces.inspect(|piece| {
        if let Err(error) = piece {
            tracing::error!(error = error as &dyn std::error::Error, "a report was broken off");
        }
    });
    let head = if is_csv { HEAD } else { "" };
    let (kind, file) = if is_csv {
        ("text/csv; charset=utf-8; header=present", "attachment; filename=\"audit.csv\"")
    } else {
        ("application/jsonl", "attachment; filename=\"audit.jsonl\"")
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_DISPOSITION, HeaderValue::from_static(file)),
    ];
    let pieces = once(async move { Ok(head.to_owned()) }).chain(pieces);
    (headers, Body::from_stream(pieces)).into_response()
}

impl Walk {
    async fn next(&mut self) -> Result<Vec<EntryObject>, ApiError> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let (filter, before) = (&self.filter, self.before);
        let rows = page(&self.control, self.organization, filter, before, ENTRIES).await?;
        self.before = rows.last().map(|entry| entry.sequence);
        self.is_over = rows.len() < usize::try_from(ENTRIES).unwrap_or(usize::MAX);
        Ok(rows)
    }
}

fn push_csv(out: &mut String, entry: &EntryObject) {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let texts = [
        entry.sequence.to_string(),
        entry.at.to_string(),
        entry.actor.clone(),
        name(&entry.actor_name),
        entry.action.clone(),
        entry.subject.clone(),
        name(&entry.subject_name),
    ];
    for text in texts {
        push_cell(out, &text);
        out.push(',');
    }
    push_cell(out, &entry.detail.to_string());
    out.push_str("\r\n");
}

fn push_json(out: &mut String, entry: &EntryObject) -> Result<(), ApiError> {
    let line = serde_json::to_string(entry);
    out.push_str(&line.map_err(|error| ApiError::Internal(error.to_string()))?);
    out.push('\n');
    Ok(())
}

//! Telling that so much of a budget is spent.

use doorward_domain::bounds::Subject;
use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::id::OrganizationId;
use doorward_domain::money::NanoUsd;
use doorward_domain::notice::NoticeKind;
use serde_json::{Map, Value, json};

use super::recipients::Addressed;
use super::{NewNotice, put_notice};
use crate::db::{on, timestamp, unsigned};
use crate::row::row;
use crate::{Store, StoreError};

/// Shares that are looked at together.
const BATCH: i64 = 100;

const UNTOLD: &str = "
    SELECT subject, period, period_start_us, unit, amount, percent, spent FROM budget_alerts
    WHERE organization_id = $1 AND told_at_us IS NULL
    ORDER BY subject, period, period_start_us, unit, amount, percent LIMIT $2";
const TELL: &str = "
    UPDATE budget_alerts SET told_at_us = $8
    WHERE organization_id = $1 AND subject = $2 AND period = $3 AND period_start_us = $4
      AND unit = $5 AND amount = $6 AND percent = $7 AND told_at_us IS NULL";

row! {
    struct AlertRow {
        subject: String,
        period: String,
        period_start_us: i64,
        unit: String,
        amount: i64,
        percent: i64,
        spent: i64,
    }
}

impl AlertRow {
    fn subject(&self) -> Result<Subject, StoreError> {
        Subject::parse(&self.subject).ok_or_else(|| StoreError::Corrupt("subject".to_owned()))
    }

    /// The budget, and what is spent of it.
    fn figures(&self) -> Result<(Budget, Value), StoreError> {
        let period = Period::ALL.into_iter().find(|period| period.as_str() == self.period);
        let period = period.ok_or_else(|| StoreError::Corrupt("period".to_owned()))?;
        let (amount, spent) = match self.unit.as_str() {
            "usd" => {
                let usd = |nanos| NanoUsd::from_column(nanos);
                (Amount::Usd(usd(self.amount)), json!({ "usd": usd(self.spent) }))
            }
            _ => (Amount::Tokens(unsigned(self.amount)), json!({ "tokens": self.spent })),
        };
        Ok((Budget { amount, period, overrun: Overrun::Deny }, spent))
    }

    /// What is told of whom it is about.
    fn data(&self, who: Map<String, Value>) -> Result<Map<String, Value>, StoreError> {
        let (budget, spent) = self.figures()?;
        let mut budget = json!(budget);
        if let Some(fields) = budget.as_object_mut() {
            fields.remove("overrun");
        }
        let mut data = who;
        data.insert("budget".to_owned(), budget);
        data.insert("percent".to_owned(), json!(self.percent));
        data.insert("spent".to_owned(), spent);
        data.insert("period_start".to_owned(), json!(timestamp(self.period_start_us)?));
        Ok(data)
    }

    fn notice(
        &self,
        subject: &Subject,
        data: &Map<String, Value>,
        (receiver, to): Addressed,
    ) -> NewNotice {
        let kind = NoticeKind::BudgetThreshold;
        let Self { period, period_start_us, unit, amount, percent, .. } = self;
        NewNotice {
            kind,
            subject: subject.id(),
            about: None,
            threshold_days: None,
            receiver,
            dedup_key: format!(
                "{} {subject} {period} {period_start_us} {unit} {amount} {percent} {to}",
                kind.as_str()
            ),
            data: data.clone(),
            secret: None,
        }
    }
}

impl Store {
    /// Puts a notice for each share of a budget that was passed and of which nobody was told; how many
    /// notices that are. Where there is nobody to tell, it is not told later.
    pub(super) async fn plan_budgets(
        &self,
        organization: OrganizationId,
        has_mail: bool,
    ) -> Result<u64, StoreError> {
        let mut put = 0;
        loop {
            let alerts: Vec<AlertRow> = on!(self.db.read, |pool| {
                let query = sqlx::query_as(UNTOLD).bind(organization.to_string());
                query.bind(BATCH).fetch_all(pool).await?
            });
            if alerts.is_empty() {
                return Ok(put);
            }
            for alert in alerts {
                put += self.tell(organization, &alert, has_mail).await?;
            }
        }
    }

    /// Notes that a share is told, and puts its notices, in one transaction.
    async fn tell(
        &self,
        organization: OrganizationId,
        alert: &AlertRow,
        has_mail: bool,
    ) -> Result<u64, StoreError> {
        let subject = alert.subject()?;
        let told = self.told_subject(organization, &subject, has_mail).await?;
        let (who, receivers) = told.unwrap_or_default();
        let data = alert.data(who)?;
        let notice = |to| alert.notice(&subject, &data, to);
        let notices: Vec<NewNotice> = receivers.into_iter().map(notice).collect();
        let (at, mut put) = (self.clock.now(), 0);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let told = sqlx::query(TELL)
                .bind(organization.to_string())
                .bind(&alert.subject)
                .bind(&alert.period)
                .bind(alert.period_start_us)
                .bind(&alert.unit)
                .bind(alert.amount)
                .bind(alert.percent)
                .bind(at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            // Another one was faster: nothing is put.
            if told.rows_affected() == 0 {
                return Ok(0);
            }
            for notice in &notices {
                put += put_notice!(self, tx, organization, at, notice);
            }
            tx.commit().await?;
        });
        Ok(put)
    }
}

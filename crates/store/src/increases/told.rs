//! Who is told of an increase, and what.

use doorward_domain::bounds::Subject;
use doorward_domain::id::IncreaseId;
use doorward_domain::notice::NoticeKind;
use serde_json::{Map, Value};

use crate::notices::{Addressed, NewNotice};
use crate::{Act, Store, StoreError};

/// What is about to be told.
pub(super) struct Telling {
    pub(super) kind: NoticeKind,
    pub(super) id: IncreaseId,
    pub(super) subject: Subject,
}

impl Store {
    /// The notices by which the administrators of an organization learn of an increase.
    pub(super) async fn tell_administrators(
        &self,
        act: &Act,
        telling: &Telling,
        said: Value,
        can_mail: bool,
    ) -> Result<Vec<NewNotice>, StoreError> {
        let has_mail = self.sends_mail(act, can_mail).await?;
        let (who, _) = self.told(act, telling, false).await?;
        let receivers = self.administrators(act.organization, has_mail).await?;
        Ok(telling.notices(who, said, receivers))
    }

    /// Those by which whoever it concerns does: the owner of its key, its user, those who look after its
    /// project, the administrators of its organization.
    pub(super) async fn tell_concerned(
        &self,
        act: &Act,
        telling: &Telling,
        said: Value,
        can_mail: bool,
    ) -> Result<Vec<NewNotice>, StoreError> {
        let has_mail = self.sends_mail(act, can_mail).await?;
        let (who, receivers) = self.told(act, telling, has_mail).await?;
        Ok(telling.notices(who, said, receivers))
    }

    async fn told(
        &self,
        act: &Act,
        telling: &Telling,
        has_mail: bool,
    ) -> Result<(Map<String, Value>, Vec<Addressed>), StoreError> {
        let told = self.told_subject(act.organization, &telling.subject, has_mail).await?;
        told.ok_or(StoreError::Missing("subject of a limit increase"))
    }

    async fn sends_mail(&self, act: &Act, can_mail: bool) -> Result<bool, StoreError> {
        let settings = self.notice_settings(act.organization).await?;
        Ok(can_mail && settings.mail_from.is_some())
    }
}

impl Telling {
    fn notices(
        &self,
        who: Map<String, Value>,
        said: Value,
        receivers: Vec<Addressed>,
    ) -> Vec<NewNotice> {
        let (kind, id) = (self.kind.as_str(), self.id);
        let mut increase = Map::from_iter([("id".to_owned(), Value::String(id.to_string()))]);
        if let Value::Object(said) = said {
            increase.extend(said);
        }
        let mut data = who;
        data.insert("limit_increase".to_owned(), Value::Object(increase));
        let notice = |(receiver, to): Addressed| NewNotice {
            kind: self.kind,
            subject: id.to_string(),
            about: None,
            threshold_days: None,
            receiver,
            dedup_key: format!("{kind} {id} {to}"),
            data: data.clone(),
            secret: None,
        };
        receivers.into_iter().map(notice).collect()
    }
}

//! One message: its records, their objects, and what becomes of the whole.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::deduplication;
use super::ledger::MessageLedger;
use super::message_types::{Control, Message, MessageOutcome};
use super::object_run::ObjectResult;
use super::processor::Processor;
use super::rejections::MessageRejections;
use crate::notification;

impl Processor {
    /// Processes a message to the end of all its deliveries.
    pub async fn process(&self, message: &Message, control: &Control) -> MessageOutcome {
        let notification = match notification::parse(&message.body) {
            Ok(notification) => notification,
            Err(error) => return self.reject_message(message, &error.to_string()).await,
        };
        if let Some(unclear) = notification.unclear {
            // Not all deliveries, because one of them can't be told.
            return MessageOutcome::Failed(unclear);
        }
        let resume = notification.resume.as_ref();
        notification.ignored.iter().for_each(|(event, count)| self.metrics.count_other_events(event, *count));
        let announced = notification.records.len();
        let (mut ledger, rejections) =
            (MessageLedger::open(announced), MessageRejections::new(self.fails_on_refusal()));
        let (mut invalid, mut valid, mut states) = (None, Vec::new(), HashSet::new());
        for (number, record) in notification.records.into_iter().enumerate() {
            match record {
                Ok(announced) if states.insert(deduplication::state(&message.id, &announced)) => {
                    valid.push((number, announced))
                }
                // Once is enough.
                Ok(_) => ledger.mark_done(number),
                Err(record) => {
                    self.reject_record(message, &rejections, record);
                    ledger.mark_done(number);
                    invalid = Some(number);
                }
            }
        }
        let objects =
            valid.iter().map(|(number, it)| self.process_object(message, (*number, it), resume, control, &rejections));
        let mut worked: Vec<ObjectResult> = join_all(objects).await;
        if let Some(unfinished) = self.split_rejected(message, &rejections, announced) {
            let rejections = || worked.iter().find(|one| one.is_rejected()).map(|one| one.number);
            let number = invalid.or_else(rejections).unwrap_or_default();
            worked.push(ObjectResult { number, unfinished: vec![unfinished], ..ObjectResult::default() });
        }
        // Before anything is sent back: what fails as a whole is not.
        match self.write_rejected(message, &rejections).await {
            Ok(()) => self.settle_message(message, worked, ledger, control).await,
            Err(_) if control.is_lease_lost() => MessageOutcome::LeaseLost,
            Err(error) => MessageOutcome::Failed(error),
        }
    }
}

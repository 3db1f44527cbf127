//! Amazon Data Firehose.

use super::failure::sort;
use crate::{Call, Error, Refused, limits};
use aws_sdk_firehose::Client;
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::{DeliveryStreamStatus, DeliveryStreamType, Record};
use bytes::Bytes;

const DESCRIBE: &str = "firehose:DescribeDeliveryStream";
const PUT: &str = "firehose:PutRecordBatch";

/// A Firehose delivery stream whose source is Direct PUT.
#[derive(Debug, Clone)]
pub struct DeliveryStream {
    patient: Client,
    once: Client,
    name: String,
    arn: String,
}

impl DeliveryStream {
    pub(super) fn new(patient: Client, once: Client, name: &str, arn: String) -> Self {
        // The API takes names only.
        let name = name.rsplit_once("deliverystream/").map_or(name, |(_, name)| name).to_owned();
        Self { patient, once, name, arn }
    }

    async fn describe(&self) -> Result<(), Error> {
        let call = self.patient.describe_delivery_stream().delivery_stream_name(&self.name);
        let answer = call.send().await.map_err(|error| sort(DESCRIBE, &self.arn, &error))?;
        let invalid = |message: String| Err(Error::Invalid { action: DESCRIBE, resource: self.arn.clone(), message });
        let Some(described) = answer.delivery_stream_description else {
            return invalid("the answer describes nothing".into());
        };
        if described.delivery_stream_type != DeliveryStreamType::DirectPut {
            let kind = described.delivery_stream_type.as_str();
            return invalid(format!("its source is {kind}; name a delivery stream whose source is Direct PUT"));
        }
        match described.delivery_stream_status {
            DeliveryStreamStatus::Active => Ok(()),
            status => invalid(format!("it is {}; wait until it is ACTIVE or create it anew", status.as_str())),
        }
    }

    async fn put_record_batch(&self, entries: &[Bytes]) -> Result<Vec<Refused>, Error> {
        let invalid = |message: String| Error::Invalid { action: PUT, resource: self.arn.clone(), message };
        limits::check_delivery(entries).map_err(invalid)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let record = Record::builder().data(Blob::new(entry.clone())).build();
            records.push(record.map_err(|error| invalid(error.to_string()))?);
        }
        let call = self.once.put_record_batch().delivery_stream_name(&self.name).set_records(Some(records));
        let answer = call.send().await.map_err(|error| sort(PUT, &self.arn, &error))?;
        if answer.request_responses.len() != entries.len() {
            let message = format!("{} results for {} entries", answer.request_responses.len(), entries.len());
            return Err(Error::Unavailable { action: PUT, resource: self.arn.clone(), message });
        }
        let results = answer.request_responses.into_iter().enumerate();
        Ok(results.filter_map(|(index, result)| Some(Refused { index, code: result.error_code? })).collect())
    }
}

impl crate::DeliveryStream for DeliveryStream {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Call<'_, Result<(), Error>> {
        Box::pin(self.describe())
    }

    fn put<'a>(&'a self, entries: &'a [Bytes]) -> Call<'a, Result<Vec<Refused>, Error>> {
        Box::pin(self.put_record_batch(entries))
    }
}

//! The operations of AWS that this program calls.

use std::fmt;

model::named! {
    /// An operation of AWS, by AWS's name.
    pub enum Operation {
        /// No call of AWS's: finding the processor's own credentials.
        Credentials = "credentials",
        /// STS: get a session of a role.
        AssumeRole = "AssumeRole",
        /// STS: get the account of the credentials.
        GetCallerIdentity = "GetCallerIdentity",
        /// DynamoDB: get the items of a tenant.
        Query = "Query",
        /// DynamoDB: get the items of all tenants.
        Scan = "Scan",
        /// CloudWatch Logs: put events into a stream.
        PutLogEvents = "PutLogEvents",
        /// CloudWatch Logs: create a stream.
        CreateLogStream = "CreateLogStream",
        /// CloudWatch Logs: create a group.
        CreateLogGroup = "CreateLogGroup",
        /// CloudWatch: put values of metrics.
        PutMetricData = "PutMetricData",
        /// SQS: receive messages.
        ReceiveMessage = "ReceiveMessage",
        /// SQS: send messages.
        SendMessageBatch = "SendMessageBatch",
        /// SQS: delete messages.
        DeleteMessageBatch = "DeleteMessageBatch",
        /// SQS: set the visibility timeout of messages.
        ChangeMessageVisibilityBatch = "ChangeMessageVisibilityBatch",
        /// SQS: get the queue's attributes.
        GetQueueAttributes = "GetQueueAttributes",
        /// S3: list a page of a bucket's objects.
        ListObjectsV2 = "ListObjectsV2",
        /// S3: get an object's metadata.
        HeadObject = "HeadObject",
        /// S3: get an object, or a range of it.
        GetObject = "GetObject",
        /// S3: write an object.
        PutObject = "PutObject",
        /// S3: copy an object.
        CopyObject = "CopyObject",
        /// S3: begin an upload in parts.
        CreateMultipartUpload = "CreateMultipartUpload",
        /// S3: upload a part.
        UploadPart = "UploadPart",
        /// S3: copy a part from another object.
        UploadPartCopy = "UploadPartCopy",
        /// S3: complete an upload in parts.
        CompleteMultipartUpload = "CompleteMultipartUpload",
        /// S3: abort an upload in parts.
        AbortMultipartUpload = "AbortMultipartUpload",
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

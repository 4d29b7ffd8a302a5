//! The calls that are made of AWS.

use std::fmt;

model::named! {
    /// A call of AWS, by AWS's own name for it.
    pub enum Operation {
        /// Whatever gives the processor its own credentials.
        Credentials = "credentials",
        /// STS: a session of a role.
        AssumeRole = "AssumeRole",
        /// STS: whose credentials these are.
        GetCallerIdentity = "GetCallerIdentity",
        /// DynamoDB: the items of a tenant.
        Query = "Query",
        /// DynamoDB: the items of all tenants.
        Scan = "Scan",
        /// CloudWatch Logs: events to a stream.
        PutLogEvents = "PutLogEvents",
        /// CloudWatch Logs: a new stream.
        CreateLogStream = "CreateLogStream",
        /// CloudWatch Logs: a new group.
        CreateLogGroup = "CreateLogGroup",
        /// CloudWatch: values of metrics.
        PutMetricData = "PutMetricData",
        /// SQS: messages of the queue.
        ReceiveMessage = "ReceiveMessage",
        /// SQS: messages to the queue.
        SendMessageBatch = "SendMessageBatch",
        /// SQS: messages that are done.
        DeleteMessageBatch = "DeleteMessageBatch",
        /// SQS: until when messages are hidden from others.
        ChangeMessageVisibilityBatch = "ChangeMessageVisibilityBatch",
        /// SQS: what the queue is like.
        GetQueueAttributes = "GetQueueAttributes",
        /// S3: a page of a bucket's objects.
        ListObjectsV2 = "ListObjectsV2",
        /// S3: what there is to know of an object.
        HeadObject = "HeadObject",
        /// S3: an object, or a range of it.
        GetObject = "GetObject",
        /// S3: a new object.
        PutObject = "PutObject",
        /// S3: a copy of an object.
        CopyObject = "CopyObject",
        /// S3: an upload in parts begins.
        CreateMultipartUpload = "CreateMultipartUpload",
        /// S3: a part of one.
        UploadPart = "UploadPart",
        /// S3: a part of one, copied.
        UploadPartCopy = "UploadPartCopy",
        /// S3: an upload in parts becomes an object.
        CompleteMultipartUpload = "CompleteMultipartUpload",
        /// S3: an upload in parts is given up.
        AbortMultipartUpload = "AbortMultipartUpload",
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

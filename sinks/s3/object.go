package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
)

// finishing bounds a Complete: "this can take several minutes" (API reference, CompleteMultipartUpload).
const finishing = 5 * time.Minute

// The metadata of an object: whose it is, and which link names it.
const (
	metaTail = "millrace-tail"
	metaLink = "millrace-link"
)

// Begin creates a multipart upload. What it says here is the object's for ever: metadata, tags, class, encryption.
func (s *store) Begin(ctx context.Context, o *chain.Object) (string, error) {
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	in := &awss3.CreateMultipartUploadInput{
		Bucket: s.Name, Key: &o.Key, ExpectedBucketOwner: s.Owner, ContentType: &s.contentType,
		Metadata: map[string]string{metaTail: o.Tail, metaLink: linkOf(o)},
		ACL:      types.ObjectCannedACL(s.ACL), StorageClass: types.StorageClass(s.storageClass), Tagging: tagHeader(s.tags),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = s.Encryption.Header()
	if s.Checksum == bucket.ChecksumCRC {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	}
	out, err := s.Client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", s.Failure(opCreate, o.Key, err)
	}
	if aws.ToString(out.UploadId) == "" {
		return "", connector.Retryable.Errorf("create an upload of %s/%s: the answer names no upload", s.Place(), o.Key)
	}
	return *out.UploadId, nil
}

// linkOf names the link that an upload was begun for. A header takes ASCII only.
func linkOf(o *chain.Object) string {
	return (&url.URL{Path: o.Dir + strconv.FormatInt(o.Seq, 10)}).EscapedPath()
}

// Write uploads a part.
func (s *store) Write(ctx context.Context, o *chain.Object, n int, _ int64, p chain.Bytes) (chain.Part, error) {
	size := p.Len()
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, size)
	defer cancel()
	in := &awss3.UploadPartInput{
		Bucket: s.Name, Key: &o.Key, UploadId: &o.Upload, PartNumber: aws.Int32(int32(n)), ExpectedBucketOwner: s.Owner,
		Body: newReader(p), ContentLength: &size,
	}
	if s.Checksum == bucket.ChecksumCRC {
		in.ChecksumCRC32C = aws.String(bucket.CRC(p...))
	}
	out, err := s.Client.UploadPart(ctx, in, s.Unsigned)
	switch {
	case bucket.AnswerOf(err).Code == codeNoSuchUpload:
		return chain.Part{}, connector.Lost.Errorf("upload part %d of %s/%s: the upload is gone: somebody aborted it, or a rule of the bucket did", n, s.Place(), o.Key)
	case err != nil:
		return chain.Part{}, s.Failure(opPart, o.Key, err)
	case aws.ToString(out.ETag) == "":
		return chain.Part{}, connector.Retryable.Errorf("upload part %d of %s/%s: the answer has no ETag", n, s.Place(), o.Key)
	}
	return chain.Part{N: n, ETag: *out.ETag, CRC: aws.ToString(in.ChecksumCRC32C)}, nil
}

// Seal does nothing: a part that was answered is durable.
func (s *store) Seal(context.Context, *chain.Object) error { return nil }

// Complete makes the parts an object, and puts its tags.
func (s *store) Complete(ctx context.Context, o *chain.Object, fresh bool) error {
	bound, cancel := bucket.Bounded(ctx, finishing, 0)
	defer cancel()
	in := &awss3.CompleteMultipartUploadInput{
		Bucket: s.Name, Key: &o.Key, UploadId: &o.Upload, ExpectedBucketOwner: s.Owner,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed(o.Parts)},
	}
	if o.Size > 0 {
		in.MpuObjectSize = &o.Size
	}
	if s.Checksum == bucket.ChecksumCRC {
		if in.ChecksumCRC32C = crcFromHex(o.CRC); in.ChecksumCRC32C != nil {
			in.ChecksumType = types.ChecksumTypeFullObject
		}
	}
	if fresh {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.Client.CompleteMultipartUpload(bound, in)
	switch a := bucket.AnswerOf(err); {
	case a.Code == codeNoSuchUpload:
		return s.missing(opComplete, o.Key)
	case a.Status == http.StatusPreconditionFailed && fresh:
		return s.exists(opComplete, o.Key)
	case a.Code == codeInvalidPart: // or it is complete, and a server that died then had removed some parts
		if lookErr := s.proven(ctx, o); lookErr != nil {
			return s.Failure(opComplete, o.Key, err)
		}
	case err != nil:
		return s.Failure(opComplete, o.Key, err)
	case aws.ToString(out.ETag) == "":
		// S3 says 200 before it has begun to work; the result, or an error, is in the body.
		return connector.Retryable.Errorf("complete %s/%s: the answer ended before its result", s.Place(), o.Key)
	case in.ChecksumCRC32C != nil && aws.ToString(out.ChecksumCRC32C) == "":
		// Some stores say 200 to a Complete of what is being completed, or of what they don't know.
		if err := s.proven(ctx, o); err != nil {
			return err
		}
	}
	if s.rangeTags {
		return s.tag(ctx, o)
	}
	return nil
}

// proven is nil if the object is there.
func (s *store) proven(ctx context.Context, o *chain.Object) error {
	switch out, err := s.head(ctx, o.Key, false); {
	case errors.Is(err, chain.ErrMissing):
		return connector.Retryable.Errorf("complete %s/%s: the answer is that it is complete, and nothing is there", s.Place(), o.Key)
	case err != nil:
		return err
	case out.Metadata[metaTail] != o.Tail:
		return s.exists(opComplete, o.Key)
	}
	return nil
}

// Alive reports whether an upload can still be completed.
func (s *store) Alive(ctx context.Context, o *chain.Object) (bool, error) {
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	_, err := s.Client.ListParts(ctx, &awss3.ListPartsInput{
		Bucket: s.Name, Key: &o.Key, UploadId: &o.Upload, MaxParts: aws.Int32(1), ExpectedBucketOwner: s.Owner,
	})
	switch {
	case bucket.AnswerOf(err).Code == codeNoSuchUpload:
		return false, nil
	case err != nil:
		return false, s.Failure(opParts, o.Key, err)
	}
	return true, nil
}

func completed(parts []chain.Part) []types.CompletedPart {
	all := make([]types.CompletedPart, len(parts))
	for i := range parts {
		p := &parts[i]
		all[i] = types.CompletedPart{PartNumber: aws.Int32(int32(p.N)), ETag: &p.ETag}
		if p.CRC != "" {
			all[i].ChecksumCRC32C = &p.CRC
		}
	}
	return all
}

// tag puts the tags of the range in place of those that the object has.
func (s *store) tag(ctx context.Context, o *chain.Object) error {
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	_, err := s.Client.PutObjectTagging(ctx, &awss3.PutObjectTaggingInput{
		Bucket: s.Name, Key: &o.Key, ExpectedBucketOwner: s.Owner, Tagging: &types.Tagging{TagSet: rangeTags(s.tags, o)},
	})
	switch bucket.AnswerOf(err).Code {
	case codeNoSuchKey: // it was deleted since, as others may do
		return nil
	case "":
		if err == nil {
			return nil
		}
	}
	return s.Failure(opTag, o.Key, err)
}

// Abort drops an upload.
func (s *store) Abort(ctx context.Context, o *chain.Object) error {
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	_, err := s.Client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
		Bucket: s.Name, Key: &o.Key, UploadId: &o.Upload, ExpectedBucketOwner: s.Owner,
	})
	if err == nil || bucket.AnswerOf(err).Code == codeNoSuchUpload {
		return nil
	}
	return s.Failure(opAbort, o.Key, err)
}

package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// The metadata of an object: whose it is, and which link names it.
const (
	metaTail = "millrace-tail"
	metaLink = "millrace-link"
)

// Begin creates a multipart upload. What it says here is the object's for ever: metadata, tags, class, encryption.
func (s *store) Begin(ctx context.Context, o *chain.Object) (string, error) {
	ctx, cancel := bounded(ctx, callTimeout, 0)
	defer cancel()
	in := &awss3.CreateMultipartUploadInput{
		Bucket: &s.Bucket, Key: &o.Key, ExpectedBucketOwner: s.owner, ContentType: &s.contentType,
		Metadata: map[string]string{metaTail: o.Tail, metaLink: linkOf(o)},
		ACL:      types.ObjectCannedACL(s.ACL), StorageClass: types.StorageClass(s.storageClass), Tagging: tagHeader(s.tags),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = s.Encryption.header()
	if s.Checksum == checksumCRC {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	}
	out, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", s.failure(opCreate, o.Key, err)
	}
	if aws.ToString(out.UploadId) == "" {
		return "", connector.Retryable.Errorf("create an upload of %s/%s: the answer names no upload", s.place(), o.Key)
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
	ctx, cancel := bounded(ctx, callTimeout, size)
	defer cancel()
	in := &awss3.UploadPartInput{
		Bucket: &s.Bucket, Key: &o.Key, UploadId: &o.Upload, PartNumber: aws.Int32(int32(n)), ExpectedBucketOwner: s.owner,
		Body: newReader(p), ContentLength: &size,
	}
	if s.Checksum == checksumCRC {
		in.ChecksumCRC32C = aws.String(crc(p))
	}
	out, err := s.client.UploadPart(ctx, in, s.unsigned)
	switch {
	case answerOf(err).code == codeNoSuchUpload:
		return chain.Part{}, connector.Lost.Errorf("upload part %d of %s/%s: the upload is gone: somebody aborted it, or a rule of the bucket did", n, s.place(), o.Key)
	case err != nil:
		return chain.Part{}, s.failure(opPart, o.Key, err)
	case aws.ToString(out.ETag) == "":
		return chain.Part{}, connector.Retryable.Errorf("upload part %d of %s/%s: the answer has no ETag", n, s.place(), o.Key)
	}
	return chain.Part{N: n, ETag: *out.ETag, CRC: aws.ToString(in.ChecksumCRC32C)}, nil
}

// Seal does nothing: a part that was answered is durable.
func (s *store) Seal(context.Context, *chain.Object) error { return nil }

// Complete makes the parts an object, and puts its tags.
func (s *store) Complete(ctx context.Context, o *chain.Object, fresh bool) error {
	bound, cancel := bounded(ctx, finishing, 0)
	defer cancel()
	in := &awss3.CompleteMultipartUploadInput{
		Bucket: &s.Bucket, Key: &o.Key, UploadId: &o.Upload, ExpectedBucketOwner: s.owner,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed(o.Parts)},
	}
	if o.Size > 0 {
		in.MpuObjectSize = &o.Size
	}
	if s.Checksum == checksumCRC {
		if in.ChecksumCRC32C = crcFromHex(o.CRC); in.ChecksumCRC32C != nil {
			in.ChecksumType = types.ChecksumTypeFullObject
		}
	}
	if fresh {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.client.CompleteMultipartUpload(bound, in)
	switch a := answerOf(err); {
	case a.code == codeNoSuchUpload:
		return s.missing(opComplete, o.Key)
	case a.status == http.StatusPreconditionFailed && fresh:
		return s.exists(opComplete, o.Key)
	case a.code == codeInvalidPart: // or it is complete, and a server that died then had removed some parts
		if lookErr := s.proven(ctx, o); lookErr != nil {
			return s.failure(opComplete, o.Key, err)
		}
	case err != nil:
		return s.failure(opComplete, o.Key, err)
	case aws.ToString(out.ETag) == "":
		// S3 says 200 before it has begun to work; the result, or an error, is in the body.
		return connector.Retryable.Errorf("complete %s/%s: the answer ended before its result", s.place(), o.Key)
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
		return connector.Retryable.Errorf("complete %s/%s: the answer is that it is complete, and nothing is there", s.place(), o.Key)
	case err != nil:
		return err
	case out.Metadata[metaTail] != o.Tail:
		return s.exists(opComplete, o.Key)
	}
	return nil
}

// Alive reports whether an upload can still be completed.
func (s *store) Alive(ctx context.Context, o *chain.Object) (bool, error) {
	ctx, cancel := bounded(ctx, callTimeout, 0)
	defer cancel()
	_, err := s.client.ListParts(ctx, &awss3.ListPartsInput{
		Bucket: &s.Bucket, Key: &o.Key, UploadId: &o.Upload, MaxParts: aws.Int32(1), ExpectedBucketOwner: s.owner,
	})
	switch {
	case answerOf(err).code == codeNoSuchUpload:
		return false, nil
	case err != nil:
		return false, s.failure(opParts, o.Key, err)
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
	ctx, cancel := bounded(ctx, callTimeout, 0)
	defer cancel()
	_, err := s.client.PutObjectTagging(ctx, &awss3.PutObjectTaggingInput{
		Bucket: &s.Bucket, Key: &o.Key, ExpectedBucketOwner: s.owner, Tagging: &types.Tagging{TagSet: rangeTags(s.tags, o)},
	})
	switch answerOf(err).code {
	case codeNoSuchKey: // it was deleted since, as others may do
		return nil
	case "":
		if err == nil {
			return nil
		}
	}
	return s.failure(opTag, o.Key, err)
}

// Abort drops an upload.
func (s *store) Abort(ctx context.Context, o *chain.Object) error {
	ctx, cancel := bounded(ctx, callTimeout, 0)
	defer cancel()
	_, err := s.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
		Bucket: &s.Bucket, Key: &o.Key, UploadId: &o.Upload, ExpectedBucketOwner: s.owner,
	})
	if err == nil || answerOf(err).code == codeNoSuchUpload {
		return nil
	}
	return s.failure(opAbort, o.Key, err)
}

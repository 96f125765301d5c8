package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func stubClient(t *testing.T) (*stub, *s3.Client) {
	t.Helper()
	s, err := newStub()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s, s3.New(s3.Options{
		BaseEndpoint: &s.url, Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials:                credentials.NewStaticCredentialsProvider("a", "b", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

// Links are kept, put once, and listed behind each other.
func TestStubLinks(t *testing.T) {
	s, client := stubClient(t)
	put := func(key string) error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(s3Bucket), Key: &key, Body: strings.NewReader("body of " + key), IfNoneMatch: aws.String("*"),
		})
		return err
	}
	for _, key := range []string{"_millrace/main/2", "_millrace/main/0", "_millrace/main/1", "_millrace/main/3"} {
		if err := put(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("_millrace/main/1"); errorCode(err) != "PreconditionFailed" {
		t.Errorf("a key that is taken: %v", err)
	}
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(s3Bucket), Key: aws.String("_millrace/main/1")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if body, err := io.ReadAll(out.Body); string(body) != "body of _millrace/main/1" {
		t.Errorf("body %q, %v", body, err)
	}
	if _, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(s3Bucket), Key: aws.String("_millrace/main/9")}); errorCode(err) != "NoSuchKey" {
		t.Errorf("a missing key: %v", err)
	}
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{
		Bucket: aws.String(s3Bucket), Prefix: aws.String("_millrace/"), StartAfter: aws.String("_millrace/main/0"), MaxKeys: aws.Int32(2),
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for i := range list.Contents {
		keys = append(keys, *list.Contents[i].Key)
	}
	if !slices.Equal(keys, []string{"_millrace/main/1", "_millrace/main/2"}) || !*list.IsTruncated {
		t.Errorf("listed %q, more: %v", keys, *list.IsTruncated)
	}
	want := map[string]int64{reqLink: 5, reqGet: 2, reqList: 1}
	if u := s.usage(); !maps.Equal(u.requests, want) || u.objects != 0 || !u.first.IsZero() {
		t.Errorf("usage %+v, want requests %v", u, want)
	}
}

// Of data it counts bytes and objects, from when they can be seen.
func TestStubData(t *testing.T) {
	s, client := stubClient(t)
	bucket, key := aws.String(s3Bucket), aws.String("topic/0")
	up, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, Metadata: map[string]string{"tail": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	part, err := client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("12345"), ChecksumCRC32C: aws.String("AAAAAA==")})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(part.ETag) == "" || aws.ToString(part.ChecksumCRC32C) != "AAAAAA==" {
		t.Errorf("part %+v", part)
	}
	if u := s.usage(); u.objects != 0 || u.bytes != 0 || !u.first.IsZero() {
		t.Errorf("before it was completed: %+v", u)
	}
	complete := func() error {
		_, err := client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId, IfNoneMatch: aws.String("*"),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}})
		return err
	}
	if err := complete(); err != nil {
		t.Fatal(err)
	}
	if err := complete(); errorCode(err) != "NoSuchUpload" {
		t.Errorf("again: %v", err)
	}
	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if *head.ContentLength != 5 || head.Metadata["tail"] != "x" {
		t.Errorf("head %+v", head)
	}
	if err := plainPut(t.Context(), s.url+"/bench/topic/1", []byte("678")); err != nil {
		t.Fatal(err)
	}
	if u := s.usage(); u.objects != 2 || u.bytes != 8 || u.first.IsZero() || u.requests[reqPut] != 1 || u.requests[reqPart] != 1 {
		t.Errorf("usage %+v", u)
	}
	_, err = client.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: bucket})
	if errorCode(err) != "NotImplemented" {
		t.Errorf("an unknown request: %v", err)
	}
}

// The floor ends when a request fails.
func TestPlainPutFails(t *testing.T) {
	s, _ := stubClient(t)
	err := plainPut(t.Context(), s.url+"/bench/a?tagging", nil)
	if err == nil || !strings.Contains(err.Error(), "501") {
		t.Errorf("error %v", err)
	}
	s.close()
	if err := plainPut(t.Context(), s.url+"/bench/a", nil); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Requests are counted for objects apart from those for links; a pipeline that writes no object has no result.
func TestS3Medians(t *testing.T) {
	began := time.Now()
	one := func(parts int64, seconds int) sample {
		return sample{began: began, s3: usage{
			requests: map[string]int64{reqCreate: 2, reqPart: parts, reqComplete: 2, reqLink: 3, reqList: 4},
			objects:  2, bytes: 1 << 20, first: began.Add(time.Duration(seconds) * time.Second),
		}}
	}
	got := s3Medians([]sample{one(2, 1), one(6, 9), one(4, 3)})
	want := s3Result{Objects: 2, MiB: 1, PerObject: 4, Others: 7, FirstObject: 3}
	if got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := s3Medians([]sample{{}, {}}); got != nil {
		t.Errorf("without objects: %+v", got)
	}
}

//go:build testbed

package testbed

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// TestS3 shows what chains of links lean on: of those who put a key if it is free, one wins, and lists go on behind a key.
func TestS3(t *testing.T) {
	server := S3Server(t)
	client, bucket := server.Client(t), server.Bucket(t)

	const rivals = 16
	answers := make(chan string, rivals)
	for range rivals {
		go func() { answers <- code(put(t.Context(), client, bucket, "links/1", "one", "*")) }()
	}
	got := map[string]int{}
	for range rivals {
		got[<-answers]++
	}
	if got[""] != 1 || got["PreconditionFailed"] != rivals-1 {
		t.Errorf("of %d puts at once: %v", rivals, got)
	}
	for _, key := range []string{"links/3", "links/2", "other"} {
		if err := put(t.Context(), client, bucket, key, key, ""); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := get(t.Context(), client, bucket, "links/2"); text != "links/2" {
		t.Errorf("links/2 holds %q, %v", text, err)
	}
	if _, err := get(t.Context(), client, bucket, "links/4"); code(err) != "NoSuchKey" {
		t.Errorf("a missing key: %v", err)
	}
	if got := keys(t, client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("links/"), StartAfter: aws.String("links/1")}); !slices.Equal(got, []string{"links/2", "links/3"}) {
		t.Errorf("listed %q", got)
	}
}

// TestS3Upload shows that an upload is invisible until it is completed, that this can be done again and conditionally, and that sums are checked.
func TestS3Upload(t *testing.T) {
	server := S3Server(t)
	client, bucket := server.Client(t), server.Bucket(t)

	first, err := upload(t.Context(), client, bucket, "data", "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t.Context(), client, bucket, "data"); code(err) != "NoSuchKey" {
		t.Errorf("before it was completed: %v", err)
	}
	for range 2 {
		if _, err := client.CompleteMultipartUpload(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	second, err := upload(t.Context(), client, bucket, "data", "second")
	if err != nil {
		t.Fatal(err)
	}
	second.IfNoneMatch = aws.String("*")
	if _, err := client.CompleteMultipartUpload(t.Context(), second); code(err) != "PreconditionFailed" {
		t.Errorf("a key that is taken: %v", err)
	}
	if text, err := get(t.Context(), client, bucket, "data"); text != "first" {
		t.Errorf("data holds %q, %v", text, err)
	}
	third, err := upload(t.Context(), client, bucket, "dropped", "third")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: third.Key, UploadId: third.UploadId})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CompleteMultipartUpload(t.Context(), third); code(err) != "NoSuchUpload" {
		t.Errorf("an aborted upload: %v", err)
	}
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("bad"), Body: strings.NewReader("x"), ChecksumCRC32C: aws.String("AAAAAA==")})
	if code(err) != "BadDigest" {
		t.Errorf("a wrong sum: %v", err)
	}
}

// TestS3Again kills and pauses a server: what was answered stays, unfinished uploads too.
func TestS3Again(t *testing.T) {
	server := StartS3(t)
	node := server.Nodes[0]
	client, bucket := server.Client(t), server.Bucket(t)
	if err := put(t.Context(), client, bucket, "kept", "text", ""); err != nil {
		t.Fatal(err)
	}
	open, err := upload(t.Context(), client, bucket, "later", "more")
	if err != nil {
		t.Fatal(err)
	}
	user := server.User(t, "reader")
	node.Kill()
	claim(t, server)
	if err := put(t.Context(), client, bucket, "lost", "text", ""); err == nil {
		t.Error("a killed server answers")
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CompleteMultipartUpload(t.Context(), open); err != nil {
		t.Errorf("complete an upload of before: %v", err)
	}
	server.Allow(t, bucket, user, "s3:GetObject")
	for key, want := range map[string]string{"kept": "text", "later": "more"} {
		if text, err := get(t.Context(), user.Client(t), bucket, key); text != want {
			t.Errorf("%s holds %q, %v", key, text, err)
		}
	}

	if err := node.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := put(short, client, bucket, "lost", "text", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused server answers: %v", err)
	}
	if err := node.Continue(); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t.Context(), client, bucket, "kept"); err != nil {
		t.Error(err)
	}
}

// claim leaves all uploads as they are when the server is killed while it completes them.
func claim(t *testing.T, server *S3) {
	t.Helper()
	uploads, err := filepath.Glob(filepath.Join(server.Dir, "*", ".sgwtmp", "multipart", "*", "*"))
	if err != nil || len(uploads) == 0 {
		t.Fatalf("uploads %q, %v", uploads, err)
	}
	for _, u := range uploads {
		if err := os.Rename(u, u+".0123-1.inprogress"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestS3Rights shows users who may do nothing, or some things.
func TestS3Rights(t *testing.T) {
	server := S3Server(t)
	bucket := server.Bucket(t)
	user := server.User(t, "writer")
	client := user.Client(t)
	listed := func() error {
		_, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
		return err
	}
	if err := put(t.Context(), client, bucket, "a", "text", ""); code(err) != "AccessDenied" {
		t.Errorf("put without rights: %v", err)
	}
	server.Allow(t, bucket, user, "s3:PutObject", "s3:ListBucket")
	if err := errors.Join(put(t.Context(), client, bucket, "a", "text", ""), listed()); err != nil {
		t.Error(err)
	}
	if _, err := get(t.Context(), client, bucket, "a"); code(err) != "AccessDenied" {
		t.Errorf("get without the right: %v", err)
	}
	server.Allow(t, bucket, user, "s3:PutObject")
	if err := listed(); code(err) != "AccessDenied" {
		t.Errorf("list without the right: %v", err)
	}

	for owner, want := range map[string]string{server.AccessKey: "", "444455556666": "AccessDenied"} {
		_, err := server.Client(t).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, ExpectedBucketOwner: &owner})
		if code(err) != want {
			t.Errorf("expected owner %s: %v", owner, err)
		}
	}
	wrong := *server
	wrong.SecretKey = "wrong"
	if err := put(t.Context(), wrong.Client(t), bucket, "a", "text", ""); code(err) != "SignatureDoesNotMatch" {
		t.Errorf("wrong secret: %v", err)
	}
	wrong = *server
	wrong.Region = "eu-west-1"
	if err := put(t.Context(), wrong.Client(t), bucket, "a", "text", ""); code(err) != "AuthorizationHeaderMalformed" {
		t.Errorf("wrong region: %v", err)
	}
}

// Buckets of tests that passed are gone.
func TestS3BucketEnds(t *testing.T) {
	server := S3Server(t)
	client, bucket := server.Client(t), ""
	t.Run("test", func(t *testing.T) {
		bucket = server.Bucket(t)
		if err := put(t.Context(), client, bucket, "a/b", "text", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := upload(t.Context(), client, bucket, "c", "more"); err != nil {
			t.Fatal(err)
		}
	})
	_, err := client.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket})
	if missing := (*types.NotFound)(nil); !errors.As(err, &missing) {
		t.Errorf("bucket %s: %v", bucket, err)
	}
}

func put(ctx context.Context, client *s3.Client, bucket, key, body, ifNoneMatch string) error {
	in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}
	if ifNoneMatch != "" {
		in.IfNoneMatch = &ifNoneMatch
	}
	_, err := client.PutObject(ctx, in)
	return err
}

func get(ctx context.Context, client *s3.Client, bucket, key string) (string, error) {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return string(body), err
}

// upload sends an upload of one part, and returns how to complete it.
func upload(ctx context.Context, client *s3.Client, bucket, key, body string) (*s3.CompleteMultipartUploadInput, error) {
	up, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	part, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader(body)})
	if err != nil {
		return nil, err
	}
	parts := []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}
	return &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}, nil
}

func keys(t *testing.T, client *s3.Client, in *s3.ListObjectsV2Input) (keys []string) {
	t.Helper()
	out, err := client.ListObjectsV2(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// code is S3's for an error, "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return err.Error()
}

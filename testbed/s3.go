package testbed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// An S3 is an S3 server as one of its users sees it. It wants path style.
type S3 struct {
	Endpoint  string // http://127.0.0.1:15123
	Region    string // in signatures; another one is refused
	AccessKey string // of the root user, who may do everything, or of a User
	SecretKey string
	Dir       string     // its folder, with a folder for each bucket; "" where the service is shared
	Nodes     []*Process // one; none where the service is shared
}

const (
	s3Region = "us-east-1"
	rootKey  = "111122223333" // twelve digits: versitygw compares the header ExpectedBucketOwner with the access key of who made the bucket
)

// startS3 starts a server that keeps its objects in dir.
func startS3(ctx context.Context, dir string) (*S3, error) {
	gateway, err := S3Gateway(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	s := &S3{
		Endpoint: "http://" + local(ports[0]), Region: s3Region,
		AccessKey: rootKey, SecretKey: rand.Text(), Dir: filepath.Join(dir, "s3"),
	}
	users := filepath.Join(dir, "s3-users")
	for _, d := range []string{s.Dir, users} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, fmt.Errorf("start s3: %w", err)
		}
	}
	p := &Process{
		Name: "s3", Addr: local(ports[0]), Log: filepath.Join(dir, "s3.log"),
		// Without keep-alive each request would need a connection of its own.
		argv: []string{gateway, "--port", local(ports[0]), "--region", s.Region, "--access", s.AccessKey, "--secret", s.SecretKey,
			"--keep-alive", "--iam-dir", users, "posix", s.Dir},
		ready: "S3 service listening on",
		mend:  func() error { return reopenUploads(s.Dir) },
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	s.Nodes = []*Process{p}
	return s, nil
}

// reopenUploads gives uploads that were being completed when versitygw was killed their names back. With the names that
// they have meanwhile (ID.ETAG.inprogress), S3's promise would be broken: each further Complete would answer
// 200, and no object would ever be there.
func reopenUploads(dir string) error {
	stuck, err := filepath.Glob(filepath.Join(dir, "*", ".sgwtmp", "multipart", "*", "*.inprogress"))
	if err != nil {
		return err
	}
	for _, path := range stuck {
		id, _, _ := strings.Cut(filepath.Base(path), ".")
		if err := os.Rename(path, filepath.Join(filepath.Dir(path), id)); err != nil {
			return fmt.Errorf("reopen an upload: %w", err)
		}
	}
	return nil
}

// Client returns a client that neither retries nor computes checksums of its own accord, so that a test sees the answers.
func (s *S3) Client(t testing.TB) *s3.Client {
	t.Helper()
	return s.client()
}

func (s *S3) client() *s3.Client {
	return s3.New(s3.Options{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // a test that looks for leaks finds no idle connection
		BaseEndpoint: &s.Endpoint, Region: s.Region, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials:                credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

// Bucket makes a bucket that is named after the test, and deleted with all that is in it if the test passes.
func (s *S3) Bucket(t testing.TB) string {
	t.Helper()
	bucket := bucketName(t)
	if _, err := s.client().CreateBucket(deadline(t), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatalf("create bucket %s: %v", bucket, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the test's objects stay in bucket %s", bucket)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		_ = s.deleteBucket(ctx, bucket) // best effort: the server may be down
	})
	return bucket
}

// bucketName is a Name that S3 takes: up to 63 small letters, digits and hyphens.
func bucketName(t testing.TB) string {
	name := strings.ToLower(strings.ReplaceAll(Name(t), ".", "-"))
	return strings.Trim(name[max(0, len(name)-63):], "-") // the end is what makes it unique
}

func (s *S3) deleteBucket(ctx context.Context, bucket string) error {
	client := s.client()
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		var keys []types.ObjectIdentifier
		for _, o := range page.Contents {
			keys = append(keys, types.ObjectIdentifier{Key: o.Key})
		}
		if len(keys) == 0 {
			break
		}
		if _, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: keys}}); err != nil {
			return err
		}
	}
	_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	return err
}

// User makes a user whose access key begins with name, and returns the server as this user sees it. The user may
// do nothing until it is allowed.
func (s *S3) User(t testing.TB, name string) *S3 {
	t.Helper()
	ctx := deadline(t)
	gateway, err := S3Gateway(ctx)
	if err != nil {
		t.Fatal(err)
	}
	user := *s
	user.AccessKey, user.SecretKey = name+"-"+strings.ToLower(rand.Text()[:6]), rand.Text()
	err = output(exec.CommandContext(ctx, gateway, "admin", "--endpoint-url", s.Endpoint, "--region", s.Region,
		"--access", s.AccessKey, "--secret", s.SecretKey,
		"create-user", "--access", user.AccessKey, "--secret", user.SecretKey, "--role", "user"), "versitygw admin create-user")
	if err != nil {
		t.Fatalf("make user %s: %v", user.AccessKey, err)
	}
	return &user
}

// Allow lets a user do actions ("s3:PutObject") in a bucket and with its objects, and nothing else any more: it replaces
// the bucket's policy. The root user's rights stay.
func (s *S3) Allow(t testing.TB, bucket string, user *S3, actions ...string) {
	t.Helper()
	resource := "arn:aws:s3:::" + bucket
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []map[string]any{{
		"Effect": "Allow", "Principal": map[string]any{"AWS": []string{user.AccessKey}},
		"Action": actions, "Resource": []string{resource, resource + "/*"}, // some actions are the bucket's, others its objects'
	}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.client().PutBucketPolicy(deadline(t), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(string(policy))})
	if err != nil {
		t.Fatalf("put a policy on bucket %s: %v", bucket, err)
	}
}

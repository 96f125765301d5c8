//go:build testbed

package testbed

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestMoto assumes a role and writes an object with its keys.
func TestMoto(t *testing.T) {
	moto := Moto(t)
	tokens := sts.New(sts.Options{
		BaseEndpoint: &moto.Endpoint, Region: moto.Region, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	role, err := tokens.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::111122223333:role/writer"), RoleSessionName: aws.String("test"), ExternalId: aws.String("id"),
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := role.Credentials
	client := s3.New(s3.Options{
		BaseEndpoint: &moto.Endpoint, Region: moto.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(*keys.AccessKeyId, *keys.SecretAccessKey, *keys.SessionToken),
	})
	bucket := moto.Bucket(t)
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a"), Body: strings.NewReader("text")})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := get(t.Context(), client, bucket, "a"); text != "text" {
		t.Errorf("a holds %q, %v", text, err)
	}
}

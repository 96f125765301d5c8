package testbed

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const account = "111122223333"

// Credentials are what AWS knows of an access key. They go into an SDK by credentials.StaticCredentialsProvider.
type Credentials struct {
	aws.Credentials
	Principal string // the ARN that the broker knows the client by; in an ACL it is "User:" and this
}

// Env is the environment that gives a process these credentials and no other.
func (c Credentials) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken,
		"AWS_REGION=" + iamRegion, "AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// A CredentialTable holds the credentials that the listeners IAM and IAMLocal take. The broker reads it at every
// authentication: a change holds from the next one on. It may be used by several goroutines.
type CredentialTable struct {
	file string
	mu   sync.Mutex
	keys map[string]Credentials // by access key
}

func newCredentialTable(file string) (*CredentialTable, error) {
	c := &CredentialTable{file: file, keys: make(map[string]Credentials)}
	return c, c.change(func() {})
}

// NewUser makes a pair of keys of an IAM user, which don't expire. A user may have several.
func (c *CredentialTable) NewUser(t testing.TB, name string) Credentials {
	t.Helper()
	keys := Credentials{
		Credentials: aws.Credentials{AccessKeyID: "AKIA" + rand.Text()[:16], SecretAccessKey: rand.Text()},
		Principal:   "arn:aws:iam::" + account + ":user/" + name,
	}
	c.Put(t, keys)
	return keys
}

// NewSession makes credentials of an assumed role that end after lifetime. Another session is another principal.
func (c *CredentialTable) NewSession(t testing.TB, role, session string, lifetime time.Duration) Credentials {
	t.Helper()
	keys := Credentials{
		Credentials: aws.Credentials{
			AccessKeyID: "ASIA" + rand.Text()[:16], SecretAccessKey: rand.Text(),
			SessionToken: rand.Text() + "/+" + rand.Text() + "==", // with the characters that signing has to encode
			CanExpire:    true, Expires: time.Now().Add(lifetime),
		},
		Principal: AssumedRole(role, session),
	}
	c.Put(t, keys)
	return keys
}

// RoleARN is the role's in the account of the tests, as sts:AssumeRole wants it.
func RoleARN(role string) string { return "arn:aws:iam::" + account + ":role/" + role }

// AssumedRole is the principal that RoleARN(role) becomes in a session.
func AssumedRole(role, session string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session
}

// Put makes the broker take credentials, in place of others with their access key.
func (c *CredentialTable) Put(t testing.TB, keys Credentials) {
	t.Helper()
	if err := c.put(keys); err != nil {
		t.Fatal(err)
	}
}

func (c *CredentialTable) put(keys Credentials) error {
	for _, f := range []string{keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken, keys.Principal} {
		if strings.ContainsAny(f, "\t\r\n") {
			return fmt.Errorf("credentials of %s hold a tab or a line's end", keys.Principal)
		}
	}
	return c.change(func() { c.keys[keys.AccessKeyID] = keys })
}

// Expire ends credentials now. A connection that was made with them goes on until it has to authenticate again.
func (c *CredentialTable) Expire(t testing.TB, accessKey string) {
	t.Helper()
	err := c.change(func() {
		keys := c.keys[accessKey]
		keys.CanExpire, keys.Expires = true, time.Now()
		c.keys[accessKey] = keys
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Remove makes an access key unknown, as deleting it in IAM does.
func (c *CredentialTable) Remove(t testing.TB, accessKey string) {
	t.Helper()
	if err := c.change(func() { delete(c.keys, accessKey) }); err != nil {
		t.Fatal(err)
	}
}

// change changes the table and puts a new file in the place of the old one, so that the broker never reads half of it.
func (c *CredentialTable) change(what func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(c.keys)) {
		k := c.keys[key]
		var expires int64 // never
		if k.CanExpire {
			expires = k.Expires.UnixMilli()
		}
		fmt.Fprintf(&text, "%s\t%s\t%s\t%d\t%s\n", key, k.SecretAccessKey, k.SessionToken, expires, k.Principal)
	}
	next := c.file + ".next"
	if err := os.WriteFile(next, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write the table of credentials: %w", err)
	}
	if err := os.Rename(next, c.file); err != nil {
		return fmt.Errorf("write the table of credentials: %w", err)
	}
	return nil
}

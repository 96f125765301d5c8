package redisgeo

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// replied is an error as go-redis makes it of a reply.
type replied string

func (e replied) Error() string { return string(e) }
func (replied) RedisError()     {}

func TestClassify(t *testing.T) {
	const retryable, systemic = connector.Retryable, connector.Systemic
	for _, tc := range []struct {
		err   error
		class connector.Class
		hint  string
	}{
		{replied("LOADING Redis is loading the dataset in memory"), retryable, ""},
		{replied("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."), retryable, ""},
		{replied("TRYAGAIN Multiple keys request during rehashing of slot"), retryable, ""},
		{replied("CLUSTERDOWN The cluster is down"), retryable, ""},
		{replied("CLUSTERDOWN Hash slot not served"), retryable, ""},
		{replied("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."), retryable, ""},
		{replied("NOREPLICAS Not enough good replicas to write."), retryable, ""},
		{replied("READONLY You can't write against a read only replica."), retryable, "reader endpoint"},
		{replied("ERR max number of clients reached"), retryable, ""},
		{replied("ERR something new"), retryable, ""},
		{redis.ErrPoolTimeout, retryable, ""},
		{io.EOF, retryable, ""},
		{io.ErrUnexpectedEOF, retryable, ""},
		{context.Canceled, retryable, ""},
		{context.DeadlineExceeded, retryable, ""},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, retryable, ""},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, retryable, ""},
		{&net.DNSError{Err: "no such host", Name: "redis"}, retryable, ""},

		{replied("NOAUTH Authentication required."), systemic, "set username and password"},
		{replied("WRONGPASS invalid username-password pair or user is disabled."), systemic, "username and password"},
		{replied("ERR AUTH <password> called without any password configured for the default user."), systemic, "username and password"},
		{replied("NOPERM this user has no permissions to run the 'geoadd' command"), systemic, "+geoadd"},
		{replied("NOPERM this user has no permissions to access one of the keys used as arguments"), systemic, "*:millrace:*"},
		{replied("ERR The user executing the script can't run this command or subcommand script: e7f1, on @user_script:73."), systemic, "+hset"},
		{replied("ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: e7, on @user_script:3."), systemic, "*:millrace:*"},
		{replied("OOM command not allowed when used memory > 'maxmemory'."), systemic, "maxmemory"},
		{replied("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."), systemic, "disk"},
		{replied("WRONGTYPE Operation against a key holding the wrong kind of value"), systemic, "something else"},
		{replied("WRONGTYPE Operation against a key holding the wrong kind of value script: 63d4, on @user_script:71."), systemic, "something else"},
		{replied("ERR Error running script (call to f_63d4): @user_script:71: WRONGTYPE Operation against a key holding the wrong kind of value"), systemic, "something else"},
		{replied("ERR Error running script (call to f_63d4): @user_script:71: -OOM command not allowed when used memory > 'maxmemory'."), systemic, "maxmemory"},
		{replied("MOVED 3999 127.0.0.1:6381"), systemic, "mode"},
		{replied("ASK 3999 127.0.0.1:6381"), systemic, "mode"},
		{replied("ERR This instance has cluster support disabled"), systemic, "mode"},
		{replied("ERR unknown command 'EVALSHA', with args beginning with: "), systemic, "disabled"},
		{replied("ERR DB index is out of range"), systemic, "db"},
		{replied("ERR SELECT is not allowed in cluster mode"), systemic, "db"},
		{x509.UnknownAuthorityError{}, systemic, "tls.ca_file"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "redis"}, systemic, "tls.server_name"},
	} {
		err := classify(fmt.Errorf("write: %w", tc.err))
		if got := connector.ClassOf(err); got != tc.class {
			t.Errorf("class of %q is %v, want %v", tc.err, got, tc.class)
		}
		if !errors.Is(err, tc.err) && !strings.Contains(err.Error(), tc.err.Error()) {
			t.Errorf("%v lost %v", err, tc.err)
		}
		if !strings.Contains(err.Error(), tc.hint) {
			t.Errorf("%q doesn't say %q", err, tc.hint)
		}
	}
	if classify(nil) != nil {
		t.Error("nil has become an error")
	}
}

func TestOpenNamesTheSetting(t *testing.T) {
	locked := newDouble(t)
	locked.RequireUserAuth("millrace", "secret")
	plain := newDouble(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for name, tc := range map[string]struct {
		config Config
		want   []string
		class  connector.Class
	}{
		"nobody listens":    {config(closed.Addr().String()), []string{"addrs", closed.Addr().String(), "refused"}, connector.Retryable},
		"no such host":      {config("redis.invalid:6379"), []string{"addrs", "redis.invalid"}, connector.Retryable},
		"nobody answers":    {config(silent.Addr().String()), []string{"addrs", "timeout"}, connector.Retryable},
		"no credentials":    {config(locked.Addr()), []string{"set username and password"}, connector.Systemic},
		"wrong credentials": {config(locked.Addr(), func(c *Config) { c.Username, c.Password = "millrace", secret.New("hunter2") }), []string{"refuses username and password"}, connector.Systemic},
		"several single":    {config(plain.Addr(), func(c *Config) { c.Addrs = []string{plain.Addr(), plain.Addr()} }), []string{"addrs: holds 2 addresses"}, connector.Systemic},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := tc.config.open(t.Context(), timeouts{dial: time.Second, reply: 100 * time.Millisecond})
			if err == nil {
				s.Close()
				t.Fatal("Open succeeded")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q doesn't say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
			if got := connector.ClassOf(err); got != tc.class {
				t.Errorf("class of %q is %v, want %v", err, got, tc.class)
			}
		})
	}
	open(t, config(locked.Addr(), func(c *Config) { c.Username, c.Password = "millrace", secret.New("secret") }))
}

// TestDeadAddressOfSeveral: of a cluster's addresses, one is enough.
func TestDeadAddressOfSeveral(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	d := newDouble(t, "GEOADD")
	s := open(t, config(closed.Addr().String()+","+d.Addr(), func(c *Config) { c.Mode = modeCluster }))
	load(t, s, origin{}, rec{member: "a", longitude: 1})
	if sent := d.sent(); len(sent) != 1 {
		t.Errorf("sent %v", sent)
	}
}

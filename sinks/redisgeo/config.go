package redisgeo

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/keypair"
)

// Config is the configuration of the sink redis_geo.
type Config struct {
	// Addresses of Redis, each host:port. For a cluster, some of its nodes; the others are found through them.
	Addrs []string `yaml:"addrs"`
	// What Redis is: auto (the server is asked), single or cluster.
	Mode string `yaml:"mode"`
	// The ACL user; empty is the user default. It needs GEOADD and ZREM on the sets. With write: newest
	// or expire, it also needs EVAL, EVALSHA, HMGET, HSET, HDEL, ZADD, ZRANGEBYSCORE, PEXPIRE and TIME, on the sets and on the keys *:millrace:*.
	Username string `yaml:"username"`
	// The user's password. Empty: none is sent. After Redis has refused it, its place is asked for a newer one.
	Password secret.Text `yaml:"password"`
	// IAM authentication to Amazon ElastiCache, instead of a password: username is the user's id then, and tls must be enabled.
	IAM IAM `yaml:"iam"`
	// Encryption. The server's certificate is always verified.
	TLS TLS `yaml:"tls"`
	// Number of the database on a single node; a cluster has 0 only.
	DB int `yaml:"db"`

	// Key of the geo set. May hold fields, such as cars#{value.city}, for a set each; at most 1,024 bytes then.
	Key string `yaml:"key" kind:"template"`
	// Expression for the member's name: a text or an integer.
	Member string `yaml:"member" kind:"rule"`
	// Expression for the longitude in degrees, a number from -180 to 180.
	Longitude string `yaml:"longitude" kind:"rule"`
	// Expression for the latitude in degrees, a number from -85.05112878 to 85.05112878.
	Latitude string `yaml:"latitude" kind:"rule"`

	// What a tombstone does: fail (it goes to the dead letter), ignore, or remove (its member leaves the
	// set; member must then be found in the key, such as member: key).
	OnTombstone string `yaml:"on_tombstone"`
	// Time after which a member that no record has named is dropped, by the clock of Redis; 0 keeps members for ever. The set
	// then belongs to this sink: one that nobody writes to for that time disappears as a whole.
	Expire connector.Duration `yaml:"expire"`
	// fast writes what comes, in the order of the partition; newest never lets an older record replace a newer one, such as
	// after a replay or when keys move to other partitions, and costs Redis about 150 bytes per member.
	Write string `yaml:"write"`
	// Expression for what decides between records of different partitions with write: newest: an integer or a timestamp; the highest
	// wins. Empty: the record's timestamp. Within a partition the offset decides.
	Version string `yaml:"version" kind:"rule"`
}

// TLS are the settings of encryption. It can't be used without verifying the server.
type TLS struct {
	// Whether connections are encrypted, by TLS 1.2 or newer.
	Enabled bool `yaml:"enabled"`
	// File with the certificates (PEM) of the authorities that may sign the server's. Empty: those of the system.
	CAFile string `yaml:"ca_file"`
	// Name that the server's certificate must hold. Empty: the host of the address.
	ServerName string `yaml:"server_name"`
}

// The values of mode, on_tombstone and write.
const (
	modeAuto    = "auto"
	modeSingle  = "single"
	modeCluster = "cluster"

	tombstoneFail   = "fail"
	tombstoneIgnore = "ignore"
	tombstoneRemove = "remove"

	writeFast   = "fast"
	writeNewest = "newest"
)

// DefaultConfig holds the defaults.
func DefaultConfig() Config {
	return Config{
		Mode:        modeAuto,
		Member:      "key",
		OnTombstone: tombstoneFail,
		Write:       writeFast,
	}
}

// Validate checks the settings without a connection.
func (c Config) Validate() error {
	errs := []error{
		c.validateAddrs(),
		oneOf("mode", c.Mode, modeAuto, modeSingle, modeCluster),
		oneOf("on_tombstone", c.OnTombstone, tombstoneFail, tombstoneIgnore, tombstoneRemove),
		oneOf("write", c.Write, writeFast, writeNewest),
		c.validateKey(),
		c.validateIAM(),
	}
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Member == "", "member: give an expression, such as key")
	refuse(c.Longitude == "", "longitude: give an expression, such as value.lng")
	refuse(c.Latitude == "", "latitude: give an expression, such as value.lat")
	refuse(c.DB < 0, "db: is %d; the first database is 0", c.DB)
	refuse(c.DB > 0 && c.Mode == modeCluster, "db: a cluster has no database %d, only 0", c.DB)
	refuse(c.Expire < 0, "expire: is negative")
	refuse(c.Expire > 0 && time.Duration(c.Expire) < time.Second, "expire: is %s; at least 1s", c.Expire)
	refuse(c.Username != "" && !c.Password.IsSet() && !c.IAM.inUse(), "password: the user %q needs one", c.Username)
	refuse(c.Version != "" && c.Write != writeNewest, "version: only counts with write: newest")
	refuse(!c.TLS.Enabled && (c.TLS.CAFile != "" || c.TLS.ServerName != ""), "tls: is set, but not enabled: true")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := c.compile()
	return err
}

func oneOf(name, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: is %q; must be one of %s", name, value, strings.Join(allowed, ", "))
}

// addrs are the addresses, those that one text joins by commas apart.
func (c Config) addrs() []string {
	var out []string
	for _, a := range c.Addrs {
		for part := range strings.SplitSeq(a, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

func (c Config) validateAddrs() error {
	addrs := c.addrs()
	if len(addrs) == 0 {
		return errors.New("addrs: give at least one host:port")
	}
	for _, a := range addrs {
		if strings.Contains(a, "://") {
			return fmt.Errorf("addrs: %q is a URL; give host:port, and use username, password, db and tls for the rest", withoutUser(a))
		}
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			return fmt.Errorf("addrs: %q isn't host:port, such as redis:6379", a)
		}
	}
	if c.Mode == modeSingle && len(addrs) > 1 {
		return fmt.Errorf("addrs: holds %d addresses, but mode is single", len(addrs))
	}
	return nil
}

// withoutUser takes the user and password out of a URL, which has no place in a message.
func withoutUser(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return scheme + "://" + rest
}

func (c Config) validateKey() error {
	if c.Key == "" {
		return errors.New("key: give the geo set's key, such as cars#gps")
	}
	return nil
}

// config is the TLS configuration, nil without TLS.
func (t TLS) config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	var err error
	if c.RootCAs, err = keypair.Authorities("tls.ca_file", t.CAFile); err != nil {
		return nil, err
	}
	return c, nil
}

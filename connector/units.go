package connector

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Duration is a time.Duration that configuration files write as Go does, with
// d for days of 24 hours besides: "90s", "1h30m", "90d".
type Duration time.Duration

// parseDuration reads "90s", "1h30m" or "90d".
func parseDuration(s string) (Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 5m or 90d", s)
		}
		return Duration(d), nil
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || n != n || n < -36500 || n > 36500 {
		return 0, fmt.Errorf("%q is not a duration such as 90s, 5m or 90d", s)
	}
	d := time.Duration(n * 24 * float64(time.Hour))
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 5m or 90d", s)
		}
		d += more
	}
	return Duration(d), nil
}

func (d Duration) String() string {
	t := time.Duration(d)
	if t != 0 && t%(24*time.Hour) == 0 {
		return strconv.Itoa(int(t/(24*time.Hour))) + "d"
	}
	s := t.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "90s", "1h30m" or "90d".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if err == nil {
		*d = v
	}
	return err
}

// A Bytes is a size that configuration files write with its unit: "128MiB" or "128MB".
type Bytes int64

var byteUnits = []struct {
	name string
	n    int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

var errBytes = errors.New(`a size needs a unit, such as 512KiB, 128MiB or 128MB`)

// parseBytes reads "128MiB", "128MB" or "100B". A bare number is refused, because it is read as bytes by one person and as megabytes by the next.
func parseBytes(s string) (Bytes, error) {
	for _, u := range byteUnits {
		text, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || n < 0 || n*float64(u.n) > 1<<60 {
			return 0, fmt.Errorf("%q is not a size: %w", s, errBytes)
		}
		return Bytes(n * float64(u.n)), nil
	}
	return 0, fmt.Errorf("%q is not a size: %w", s, errBytes)
}

func (b Bytes) String() string {
	for i := 3; i >= 0; i-- {
		if u := byteUnits[i]; b != 0 && int64(b)%u.n == 0 {
			return strconv.FormatInt(int64(b)/u.n, 10) + u.name
		}
	}
	for i := 9; i > 3; i-- {
		if u := byteUnits[i]; u.n > 1 && b != 0 && int64(b)%u.n == 0 && u.name != "KB" {
			return strconv.FormatInt(int64(b)/u.n, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText is String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads "128MiB", "128MB" or "100B".
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := parseBytes(string(text))
	if err == nil {
		*b = v
	}
	return err
}

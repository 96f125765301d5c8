package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
)

// A Breaker says how many records of a partition may go to the dead letter before it stops.
type Breaker struct {
	// Share is the most of the records read in a window, such as 1% or 0.01. With 0 no share is too many.
	Share Percent `yaml:"share"`
	// Least is how many records may go to the dead letter in a window whatever their share is.
	Least int64 `yaml:"least"`
	// Records is the most records of a window. With 0 no number is too many.
	Records int64 `yaml:"records"`
	// Window is the time that the counts are of.
	Window connector.Duration `yaml:"window"`
}

func defaultBreaker() *Breaker {
	b := connector.DefaultBreaker()
	return &Breaker{Share: Percent(b.Share), Least: b.Least, Records: b.Records, Window: connector.Duration(b.Window)}
}

// breaker is the Connector's; nil never stops.
func (b *Breaker) breaker() connector.Breaker {
	if b == nil {
		return connector.Breaker{}
	}
	return connector.Breaker{Share: float64(b.Share), Least: b.Least, Records: b.Records, Window: time.Duration(b.Window)}
}

func (b *Breaker) validate() error {
	switch {
	case b == nil:
		return nil
	case b.Share < 0 || b.Share > 1 || b.Least < 0 || b.Records < 0 || b.Window <= 0:
		return errors.New("share is between 0% and 100%, least and records aren't below 0, and window is above 0")
	case b.Share == 0 && b.Records == 0:
		return errors.New("one of share and records is above 0; to never stop, write breaker: none")
	}
	return nil
}

// A Percent is a share that files write as "1%" or 0.01; 1 is all.
type Percent float64

func (p Percent) String() string { return strconv.FormatFloat(float64(p)*100, 'g', 10, 64) + "%" }

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads "1%" or "0.01". A bare number of 1 or more is refused, because it is read as percents by one person and as a share by the next.
func (p *Percent) UnmarshalText(text []byte) error {
	number, percents := strings.CutSuffix(string(text), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percents {
		f /= 100
	}
	if err != nil || math.IsNaN(f) || f < 0 || f > 1 || f == 1 && !percents {
		return fmt.Errorf("%q is not a share such as 1%% or 0.01", text)
	}
	*p = Percent(f)
	return nil
}

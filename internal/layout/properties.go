package layout

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
)

// properties are a connector's settings. Values are read once, and what nobody read is told.
type properties struct {
	values map[string]string
	errs   []string
}

// get is a setting, or what counts without it. Blank is the same as missing, as with Kafka Connect's defaults of paths and zones.
func (p *properties) get(name, otherwise string) string {
	if v := strings.TrimSpace(p.values[name]); v != "" {
		return v
	}
	return otherwise
}

// number is a whole number; 0 if there is none.
func (p *properties) number(name string) int64 {
	text := p.get(name, "")
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.errs = append(p.errs, fmt.Sprintf("%s is %q; it is a whole number", name, text))
	}
	return n
}

// millis is a number of milliseconds, 0 if there is none or it is negative, which means none.
func (p *properties) millis(name string) connector.Duration {
	n := p.number(name)
	if n > int64(100*365*24*time.Hour/time.Millisecond) {
		return 0 // never
	}
	return connector.Duration(max(0, n) * int64(time.Millisecond))
}

// is reports whether a switch is on.
func (p *properties) is(name string) bool { return strings.EqualFold(p.get(name, ""), "true") }

// err joins what was wrong.
func (p *properties) err() error {
	if len(p.errs) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(p.errs, "\n"))
}

// shortClass is the last name of a Java class.
func shortClass(class string) string { return class[strings.LastIndexAny(class, ".$")+1:] }

// zoneID is the IANA name of a zone as Java writes it: "Europe/Berlin", "UTC", "Z", "+02:00".
func zoneID(id string) (string, error) {
	name := id
	switch {
	case id == "Z" || id == "GMT":
		name = "UTC"
	case strings.HasPrefix(id, "+") || strings.HasPrefix(id, "-"):
		hours, minutes, _ := strings.Cut(id[1:], ":")
		n, err := strconv.ParseUint(hours, 10, 8)
		if err != nil || n > 12 || strings.Trim(minutes, "0") != "" {
			return "", fmt.Errorf("%q is no zone of whole hours; write a name such as Asia/Kolkata", id)
		}
		sign := "-" // Etc/GMT-2 is east of Greenwich
		if id[0] == '-' {
			sign = "+"
		}
		name = fmt.Sprintf("Etc/GMT%s%d", sign, n)
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return "", fmt.Errorf("%q is no time zone; it is written as UTC or Europe/Berlin", id)
	}
	return name, nil
}

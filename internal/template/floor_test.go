package template_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/template"
)

func TestFloor(t *testing.T) {
	for _, c := range []struct {
		at, zone, want string
		floor          time.Duration
	}{
		{"2026-03-01T09:04:05.999Z", "", "2026-03-01 09:00:00.000 060", 15 * time.Minute},
		{"2026-03-01T08:59:59.999Z", "", "2026-03-01 08:45:00.000 060", 15 * time.Minute},
		{"2026-03-01T23:59:59Z", "", "2026-03-01 00:00:00.000 060", 24 * time.Hour},
		{"2026-03-01T20:00:00Z", "Asia/Kathmandu", "2026-03-02 01:30:00.000 061", 30 * time.Minute}, // 01:45 there
		{"2026-03-01T20:00:00Z", "Asia/Kathmandu", "2026-03-02 00:00:00.000 061", 24 * time.Hour},
		{"2026-03-01T07:00:00Z", "America/New_York", "2026-03-01 00:00:00.000 060", 24 * time.Hour}, // 02:00 there
		{"2026-03-01T04:00:00Z", "America/New_York", "2026-02-28 00:00:00.000 059", 24 * time.Hour},
		{"1969-12-31T23:59:59Z", "", "1969-12-31 23:45:00.000 365", 15 * time.Minute},
		{"2026-03-05T09:00:00Z", "", "2026-03-05 00:00:00.000 064", 7 * 24 * time.Hour}, // 1970 began on a Thursday
		{"2026-03-04T09:00:00Z", "", "2026-02-26 00:00:00.000 057", 7 * 24 * time.Hour},
		{"2018-11-04T03:30:00Z", "America/Sao_Paulo", "2018-11-04 00:00:00.000 308", 24 * time.Hour}, // a day that begins at 01:00
		{"2026-10-25T01:30:00Z", "Europe/Berlin", "2026-10-25 02:00:00.000 298", time.Hour},          // 02:30 for the second time
	} {
		tmpl, err := template.Compile("{time:yyyy-MM-dd HH:mm:ss.SSS DDD}", template.Options{Time: &template.Time{From: "header.at", Zone: c.zone, Floor: c.floor}})
		if err != nil {
			t.Fatal(err)
		}
		b := one(t, connectortest.R{Value: "1", Headers: []connector.Header{{Name: "at", Value: []byte(c.at)}}})
		if got, err := tmpl.Append(nil, b, 0, 0); err != nil || string(got) != c.want {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
	for _, floor := range []time.Duration{-1, time.Microsecond, 367 * 24 * time.Hour} {
		if _, err := template.Compile("x", template.Options{Time: &template.Time{Floor: floor}}); err == nil {
			t.Errorf("a floor of %s compiles", floor)
		}
	}
}

// TestSameFloored: with rounded times too, Same is right, and is quick for the longest time that it can be.
func TestSameFloored(t *testing.T) {
	for _, zone := range []string{"UTC", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"} {
		for floor, least := range map[time.Duration]int{
			7 * time.Minute: 0, 15 * time.Minute: 900, 90 * time.Minute: 950, 24 * time.Hour: 970, 100 * time.Millisecond: 0,
		} {
			for _, text := range []string{"{time:yyyy-MM-dd HH}", "{time:HH:mm:ss.SSS}"} {
				tmpl, err := template.Compile(text, template.Options{Time: &template.Time{Zone: zone, Floor: floor}})
				if err != nil {
					t.Fatal(err)
				}
				var rs []connectortest.R
				for i := range int64(1001) { // through the end of summer time in Berlin
					rs = append(rs, connectortest.R{Timestamp: time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC).UnixMilli() + i*30_011})
				}
				b := connectortest.Raw("cars", 0, rs...)
				var run template.Run
				before, same := "", 0
				for i := range b.Len() {
					text, err := tmpl.Append(nil, b, i, 0)
					if err != nil {
						t.Fatal(err)
					}
					if tmpl.Same(&run, b, i) && i > 0 {
						same++
						if string(text) != before {
							t.Fatalf("%s in %s by %s: Same, but %s after %s", tmpl.Text(), zone, floor, text, before)
						}
					}
					before = string(text)
				}
				if same < least {
					t.Errorf("%s in %s by %s: %d are the same", tmpl.Text(), zone, floor, same)
				}
			}
		}
	}
}

func TestUnit(t *testing.T) {
	for _, c := range []struct{ unit, value, want string }{
		{"s", "1565382027", "2019-08-09T20:20:27.000"},
		{"s", "1565382027.5", "2019-08-09T20:20:27.500"},
		{"s", `"1565382027"`, "2019-08-09T20:20:27.000"},
		{"s", `"2019-08-09T20:20:27Z"`, "2019-08-09T20:20:27.000"},
		{"s", "9223372036854775807", "isn't one of 0 to 9999"},
		{"s", "-9223372036854775808", "isn't one of 0 to 9999"},
		{"s", "1e13", "the time is "},
		{"ms", "1565382027000", "2019-08-09T20:20:27.000"},
		{"", "1565382027000", "2019-08-09T20:20:27.000"},
		{"us", "1565382027000123", "2019-08-09T20:20:27.000"},
		{"ns", "1565382027000123456", "2019-08-09T20:20:27.000"},
	} {
		tmpl, err := template.Compile("{time:yyyy-MM-dd'T'HH:mm:ss.SSS}", template.Options{Time: &template.Time{From: "value", Unit: c.unit}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Append(nil, one(t, connectortest.R{Value: c.value}), 0, 0)
		if err != nil {
			got = []byte(err.Error())
		}
		if !strings.Contains(string(got), c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if _, err := template.Compile("x", template.Options{Time: &template.Time{Unit: "d"}}); err == nil {
		t.Error("a unit of d compiles")
	}
}

func TestFractions(t *testing.T) {
	tmpl, err := template.Compile("{time:S SS SSS D DD}", template.Options{Time: &template.Time{}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Append(nil, one(t, connectortest.R{Value: "1", Timestamp: 987}), 0, 0); err != nil || string(got) != "9 98 987 1 01" {
		t.Errorf("%s, %v", got, err)
	}
}

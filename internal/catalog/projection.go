package catalog

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// years is how many of them a partition key of years is projected for.
const years = 30

// numbers are the ranges of the letters of a time that aren't a time without others.
var numbers = map[string]string{"MM": "1,12", "dd": "1,31", "HH": "0,23", "mm": "0,59", "ss": "0,59", "DDD": "1,366"}

// project says by properties how Athena computes partitions and their folders (Athena User Guide, "Set up partition projection" and "Supported types for partition
// projection"). A time is a date, or numbers in their range; a fixed text is an enum of one. Any other key is injected: queries must name its values. Athena
// puts a value into the folder's name as it stands, so that one that is escaped there isn't found.
func (d *definition) project(keys []Key, c Config) error {
	if len(keys) == 0 {
		return nil
	}
	from, err := time.Parse(dayLayout, c.ProjectionFrom)
	if err != nil {
		return fmt.Errorf("projection_from: %w", err)
	}
	folder := strings.Builder{}
	folder.WriteString(d.location)
	d.projection = map[string]string{"projection.enabled": "true"}
	for _, k := range keys {
		name := "projection." + k.Name() + "."
		folder.WriteString(k.Folder + "=${" + k.Name() + "}/")
		if _, own := c.Properties[name+"type"]; own {
			continue
		}
		properties, err := k.projection(from)
		if err != nil {
			return fmt.Errorf("partition key %s: %w", k.Folder, err)
		}
		for property, value := range properties {
			d.projection[name+property] = value
		}
	}
	d.projection["storage.location.template"] = folder.String()
	return nil
}

// projection is the properties of a key, without projection.NAME. before their names.
func (k Key) projection(from time.Time) (map[string]string, error) {
	if !strings.ContainsAny(k.Value, "{}") {
		return map[string]string{"type": "enum", "values": k.Value}, nil
	}
	pattern, isTime := strings.CutPrefix(k.Value, "{time:")
	pattern, closed := strings.CutSuffix(pattern, "}")
	if !isTime || !closed || strings.ContainsAny(pattern, "{}") {
		return map[string]string{"type": "injected"}, nil
	}
	if span, ok := numbers[pattern]; ok {
		return map[string]string{"type": "integer", "range": span, "digits": strconv.Itoa(len(pattern))}, nil
	}
	if pattern == "yyyy" {
		return map[string]string{"type": "integer", "range": fmt.Sprintf("%d,%d", from.Year(), from.Year()+years), "digits": "4"}, nil
	}
	unit, whole := unitOf(pattern)
	if !whole {
		return nil, fmt.Errorf("times such as {time:%s} can't be computed by Athena: give the year, or each part a folder of its own", pattern)
	}
	return map[string]string{"type": "date", "format": pattern, "range": formatTime(pattern, from) + ",NOW", "interval": "1", "interval.unit": unit}, nil
}

// formatTime is a time as a pattern shows it.
func formatTime(pattern string, t time.Time) string {
	digits := strings.NewReplacer("yyyy", t.Format("2006"), "yy", t.Format("06"), "MM", t.Format("01"), "M", t.Format("1"), "dd", t.Format("02"), "d", t.Format("2"),
		"HH", t.Format("15"), "H", strconv.Itoa(t.Hour()), "mm", t.Format("04"), "m", t.Format("4"), "ss", t.Format("05"), "s", t.Format("5"))
	var text strings.Builder
	for i, part := range strings.Split(pattern, "'") {
		if i%2 == 0 {
			part = digits.Replace(part)
		}
		text.WriteString(part)
	}
	return text.String()
}

// units of a time's letters, the longest first. A date has them from the first on, without a gap.
var units = []struct{ letter, unit string }{{"y", "YEARS"}, {"M", "MONTHS"}, {"d", "DAYS"}, {"H", "HOURS"}, {"m", "MINUTES"}, {"s", "SECONDS"}}

// unitOf is the shortest unit of a pattern, and whether the pattern is a whole date.
func unitOf(pattern string) (unit string, whole bool) {
	letters := map[string]bool{}
	for i, part := range strings.Split(pattern, "'") {
		for _, r := range part {
			if i%2 == 0 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
				letters[string(r)] = true
			}
		}
	}
	rest := maps.Clone(letters)
	for _, u := range units {
		if !letters[u.letter] {
			break
		}
		unit = u.unit
		delete(rest, u.letter)
	}
	return unit, unit != "" && len(rest) == 0
}

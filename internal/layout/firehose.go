package layout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What Firehose appends to a prefix without expressions of a time.
const firehoseTime = "!{timestamp:yyyy/MM/dd/HH/}"

// maxFirehose is the longest evaluated prefix, in characters.
const maxFirehose = 512

// Firehose turns the prefixes of an Amazon Data Firehose stream ("Understand custom prefixes for Amazon S3 objects") into ours. zone is its
// CustomTimeZone, "" being UTC. queries are the jq expressions of partition keys, by id ("Understand partitioning keys").
func Firehose(prefix, errorPrefix, zone string, queries map[string]string) (Settings, error) {
	f := firehose{queries: queries, errors: errorPrefix}
	if zone == "" {
		zone = "UTC"
	}
	var err error
	if f.zone, err = zoneID(zone); err != nil {
		return Settings{}, fmt.Errorf("time zone: %w", err)
	}
	parts, err := splitPrefix("prefix", prefix)
	if err != nil {
		return Settings{}, err
	}
	expressions := slices.ContainsFunc(parts, func(e expression) bool { return e.space != "" })
	if err := f.path(prefix, parts, expressions); err != nil {
		return Settings{}, err
	}
	if err := f.deadLetter(prefix, expressions); err != nil {
		return Settings{}, err
	}
	if _, _, err := f.s.Compile(); err != nil {
		return Settings{}, err
	}
	return f.s, nil
}

// firehose is a translation under way.
type firehose struct {
	s       Settings
	zone    string
	errors  string
	queries map[string]string
	clock   string // what {time} shows: "" unknown yet, "arrival", or a field
}

// An expression is !{space:value}, or with space "" a text.
type expression struct{ space, value string }

func splitPrefix(what, prefix string) ([]expression, error) {
	var es []expression
	for prefix != "" {
		text, rest, found := strings.Cut(prefix, "!{")
		if text != "" {
			es = append(es, expression{"", text})
		}
		if !found {
			break
		}
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("the %s %q isn't closed: !{ can only begin an expression such as !{timestamp:yyyy}", what, prefix)
		}
		space, value, ok := strings.Cut(inside, ":")
		if !ok || space == "" || value == "" {
			return nil, fmt.Errorf("the expression !{%s} of the %s isn't !{namespace:value}", inside, what)
		}
		es = append(es, expression{space, value})
		prefix = after
	}
	return es, nil
}

func has(es []expression, space string) bool {
	for _, e := range es {
		if strings.HasPrefix(e.space, space) {
			return true
		}
	}
	return false
}

// path makes Path of the prefix.
func (f *firehose) path(prefix string, es []expression, expressions bool) error {
	if expressions && f.errors == "" {
		return errors.New("the error prefix is missing: Firehose wants one where the prefix has expressions")
	}
	// A prefix of partition keys is taken as it is, as in the example of "Use Amazon S3 bucket prefix to deliver data".
	if !has(es, "timestamp") && !has(es, "partitionKeyFrom") {
		es = append(es, expression{"timestamp", firehoseTime[len("!{timestamp:") : len(firehoseTime)-1]})
	}
	var out pieces
	for _, e := range es {
		if err := f.expression(&out, e); err != nil {
			return fmt.Errorf("the prefix %q: %w", prefix, err)
		}
	}
	path := out.template()
	if out.least > maxFirehose {
		return fmt.Errorf("the prefix has more than %d characters", maxFirehose)
	}
	if f.clock == arrival {
		f.s.Time = Time{From: "timestamp", Zone: f.zone}
		f.s.note("!{timestamp} is when the oldest record of an object came to Firehose; time.from: timestamp is each record's own in Kafka, so that every record lies in its own time's folder.")
	}
	if !strings.HasSuffix(path, "/") {
		path += FileName // Firehose puts its suffix behind the prefix as it stands
	}
	f.s.Path = path
	f.s.note("Names have topic, partition and offset where Firehose writes stream, version, time and UUID.")
	return nil
}

// arrival is the clock of !{timestamp}.
const arrival = "arrival"

// expression adds one to a path.
func (f *firehose) expression(out *pieces, e expression) error {
	switch e.space {
	case "":
		out.text(e.value)
	case "timestamp":
		es, weeks, err := java.elements(e.value)
		if err != nil {
			return err
		}
		if weeks {
			f.s.note("YYYY in the prefix is the year that a week belongs to, which around New Year isn't the year: Firehose's folders of those days have the wrong year. Here it is yyyy.")
		}
		if err := f.use(arrival); err != nil {
			return err
		}
		out.time(es)
	case "firehose":
		switch e.value {
		case "random-string":
			out.field("{hash:8}")
			f.s.note("!{firehose:random-string} is a hash of topic, partition and offset, of 8 digits, another one for each object and the same whenever it is written.")
		case "error-output-type":
			return errors.New("!{firehose:error-output-type} is for the error prefix only")
		default:
			return fmt.Errorf("there is no !{firehose:%s}", e.value)
		}
	case "partitionKeyFromQuery", "partitionKeyFromLambda":
		return f.key(out, e)
	default:
		return fmt.Errorf("there is no namespace %s: it is timestamp, firehose, partitionKeyFromQuery or partitionKeyFromLambda", e.space)
	}
	return nil
}

// key adds a partition key.
func (f *firehose) key(out *pieces, e expression) error {
	text, ok := f.queries[e.value]
	if !ok {
		return fmt.Errorf("the partition key %s isn't known: give its jq expression; for one of a Lambda function, the field in which a rule leaves it", e.value)
	}
	q, err := parseQuery(text)
	if err != nil {
		return fmt.Errorf("the partition key %s: %w", e.value, err)
	}
	f.s.Missing = "error"
	if q.format == nil {
		out.field(f.s.valueField(q.names...))
		return nil
	}
	if err := f.use(field("value", q.names...) + " " + q.unit); err != nil {
		return err
	}
	f.s.Time = Time{Zone: "UTC", Unit: q.unit}
	f.s.timeFrom(q.names...)
	out.time(q.format)
	return nil
}

// use makes sure that one time is shown.
func (f *firehose) use(clock string) error {
	if f.clock != "" && f.clock != clock {
		return errors.New("it shows two times, and a path has one: take all of them from the same field, in the same unit, or all from !{timestamp}")
	}
	f.clock = clock
	return nil
}

// deadLetter makes the path of the dead letter of the error prefix.
func (f *firehose) deadLetter(prefix string, expressions bool) error {
	es, err := splitPrefix("error prefix", f.errors)
	switch {
	case err != nil:
		return err
	case f.errors == "" && prefix == "": // evaluated, it begins with the kind of error
		es = []expression{{"", failed + "/"}, {"timestamp", "yyyy/MM/dd/HH/"}}
	case f.errors == "":
		es = []expression{{"", prefix + failed + "/"}, {"timestamp", "yyyy/MM/dd/HH/"}}
	case has(es, "partitionKeyFrom"):
		return errors.New("the error prefix can't hold partition keys: what failed may have none")
	case !slices.Contains(es, expression{"firehose", "error-output-type"}) && (expressions || slices.ContainsFunc(es, func(e expression) bool { return e.space != "" })):
		return errors.New("the error prefix has no !{firehose:error-output-type}, which it must have where it has expressions or the prefix has")
	}
	var out pieces
	for _, e := range es {
		switch {
		case e.space == "":
			out.text(e.value)
		case e.space == "timestamp":
			pattern, _, err := java.elements(e.value)
			if err != nil {
				return fmt.Errorf("the error prefix: %w", err)
			}
			out.time(pattern)
		case e.space == "firehose" && e.value == "error-output-type":
			out.text(failed)
		case e.space == "firehose" && e.value == "random-string":
			out.field("{partition}")
			f.s.note("!{firehose:random-string} of the error prefix is {partition}.")
		default:
			return fmt.Errorf("there is no !{%s:%s} in the error prefix", e.space, e.value)
		}
	}
	f.s.DeadLetter = out.template()
	if !strings.HasSuffix(f.s.DeadLetter, "/") {
		f.s.DeadLetter += "/" // names of letters are the sink's
	}
	if f.zone != "UTC" {
		f.s.note("The dead letter's times are in UTC, not in %s.", f.zone)
	}
	return nil
}

// failed is what stands for !{firehose:error-output-type}: all that the dead letter takes is a failure of processing.
const failed = "processing-failed"

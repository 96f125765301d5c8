package s3

import (
	"strings"
	"testing"
)

const (
	abort7  = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
	abort2  = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
	expire  = "<Expiration><Days>30</Days></Expiration>"
	clean   = "<Rule><ID>clean</ID><Filter></Filter><Status>Enabled</Status>" + abort7 + "</Rule>"
	shorter = "aborts incomplete uploads after 2 days"
	deletes = `rule "r" of s3://lake deletes links below tele/_millrace/main/`
	missing = "no lifecycle rule that aborts incomplete uploads"
)

func rule(filter, does string) string {
	return "<Rule><ID>r</ID><Filter>" + filter + "</Filter><Status>Enabled</Status>" + does + "</Rule>"
}

func prefixed(p string) string { return "<Prefix>" + p + "</Prefix>" }

func TestInspect(t *testing.T) {
	for name, c := range map[string]struct {
		rules string
		want  []string
	}{
		"clean":                 {clean, nil},
		"no rule":               {"", []string{missing}},
		"short":                 {rule("", abort2), []string{shorter}},
		"short and long":        {rule("", abort2) + clean, []string{shorter}},
		"short elsewhere":       {rule(prefixed("other/"), abort2) + clean, nil},
		"short for a part":      {rule(prefixed("tele/cars/"), abort2) + clean, []string{shorter}},
		"only a part":           {rule(prefixed("tele/cars/"), abort7), []string{missing}},
		"off":                   {strings.Replace(rule("", abort2+expire), "Enabled", "Disabled", 1) + clean, nil},
		"expires all":           {rule("", expire) + clean, []string{deletes}},
		"expires on a day":      {rule("", "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>") + clean, []string{deletes}},
		"expires markers":       {rule("", "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>") + clean, nil},
		"expires prefix":        {rule(prefixed("tele/"), expire) + clean, []string{deletes}},
		"expires links":         {rule(prefixed("tele/_millrace/main/c/"), expire) + clean, []string{deletes}},
		"expires elsewhere":     {rule(prefixed("tele/cars/"), expire) + clean, nil},
		"expires tagged":        {rule("<Tag><Key>a</Key><Value>b</Value></Tag>", expire) + clean, nil},
		"expires tagged prefix": {rule("<And>"+prefixed("tele/")+"<Tag><Key>a</Key><Value>b</Value></Tag></And>", expire) + clean, nil},
		"expires two filters":   {rule("<And>"+prefixed("tele/")+"<ObjectSizeLessThan>1000</ObjectSizeLessThan></And>", expire) + clean, []string{deletes}},
		"expires what is large": {rule("<ObjectSizeGreaterThan>1073741824</ObjectSizeGreaterThan>", expire) + clean, nil},
		"an old rule":           {"<Rule><ID>r</ID><Prefix>tele/</Prefix><Status>Enabled</Status>" + expire + "</Rule>" + clean, []string{deletes}},
		"archives":              {rule("", "<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>") + clean, []string{"moves links to an archive"}},
		"cools":                 {rule("", "<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>") + clean, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			s := openStore(t, config(d.URL, func(c *Config) { c.ExpectedBucketOwner = "123456789012" }))
			d.answers("GetBucketLifecycleConfiguration", reply{body: "<LifecycleConfiguration>" + c.rules + "</LifecycleConfiguration>"})
			notes, err := lifecycle{s, "tele", "main", "tele/"}.inspect(t.Context())
			if err != nil || len(notes) != len(c.want) {
				t.Fatalf("%q, %v; want %q", notes, err, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(notes[i], want) {
					t.Errorf("%q doesn't say %q", notes[i], want)
				}
			}
			d.only(t, "GetBucketLifecycleConfiguration").wants(t, map[string]string{"X-Amz-Expected-Bucket-Owner": "123456789012"})
		})
	}
}

// Who may not look is told nothing.
func TestInspectIsACourtesy(t *testing.T) {
	for _, c := range []struct {
		a     reply
		notes int
	}{
		{reply{status: 403, code: "AccessDenied"}, 0}, {reply{status: 501, code: "NotImplemented"}, 0}, {reply{status: 404, code: "NoSuchLifecycleConfiguration"}, 1},
		{reply{status: 500, code: "InternalError"}, 0}, {reply{hangUp: true}, 0},
	} {
		d := newDouble(t)
		s := openStore(t, config(d.URL))
		d.answers("GetBucketLifecycleConfiguration", c.a)
		if notes, err := (lifecycle{s, "", "main", ""}).inspect(t.Context()); err != nil || len(notes) != c.notes {
			t.Errorf("%s: %q, %v", c.a.code, notes, err)
		}
	}
}

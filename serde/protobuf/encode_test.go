package protobuf_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

func encode(t testing.TB, m *protobuf.Message, json string) (string, error) {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(json), serde.Limits{Depth: 1000})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Append([]byte("x"), v)
	if err == nil && len(out) == 0 || out[0] != 'x' || err != nil && len(out) != 1 {
		t.Errorf("dst is %q", out)
	}
	return hex.EncodeToString(out[1:]), err
}

func TestAppend(t *testing.T) {
	m := message(t, everything, "fleet.v1.Vehicle", protobuf.Options{})
	for json, want := range map[string]string{
		`{}`: "",
		`{"vehicle_id":"","i32":0,"km":0.0,"on":false,"state":"UNKNOWN","raw":"","pos":null,"codes":[],"counts":{}}`: "",
		`{"vehicleId":"a"}`:                      "0a0161",
		`{"i32":-1,"u64":18446744073709551615}`:  "10ffffffffffffffffff0128ffffffffffffffffff01",
		`{"i32":80.0}`:                           "1050",
		`{"s32":-1,"s64":-2}`:                    "30013803",
		`{"f32":1,"sf32":-1}`:                    "450100000055ffffffff",
		`{"f64":18446744073709551615}`:           "49ffffffffffffffff",
		`{"speed":0.1,"km":-0.0}`:                "65cdcccc3d690000000000000080",
		`{"raw":"AQ=="}`:                         "7a0101",
		`{"state":"PARKED","states":["LOST",7]}`: "800102ca020bffffffffffffffffff0107",
		`{"pos":{}}`:                             "8a0100",
		`{"codes":[1,2],"tags":["a",""]}`:        "92010201029a0101619a0100",
		`{"counts":{"a":1},"stops":{"-1":{}},"flags":{"true":"x"}}`: "aa01050a01611001b2010d08ffffffffffffffffff011200ba01050801120178",
		`{"doors":0}`:                        "c00100",
		`{"litres":0}`:                       "c9010000000000000000",
		`{"at":"1970-01-01T00:00:01.5Z"}`:    "ea010808011080cab5ee01",
		`{"at":"1969-12-31T23:59:59Z"}`:      "ea010b08ffffffffffffffffff01",
		`{"at":"1970-01-01T02:00:01+02:00"}`: "ea01020801",
		`{"idle":"PT1.5S"}`:                  "f2010808011080cab5ee01",
		`{"idle":"P1DT1H1M1S"}`:              "f2010408cdbf05",
		`{"idle":"-0.000000001s"}`:           "f2010b10ffffffffffffffffff01",
		`{"odometer":5}`:                     "fa01020805",
		`{"odometer":0}`:                     "fa0100",
		`{"extra":{"a":null}}`:               "8202090a070a016112020800",
		`{"any_json":[1,"s",true]}`:          "8a021632140a0911000000000000f03f0a031a01730a022001",
	} {
		got, err := encode(t, m, json)
		if err != nil || got != want {
			t.Errorf("%s: got %s %v, want %s", json, got, err, want)
		}
	}
}

func TestAppendErrors(t *testing.T) {
	m := message(t, everything, "fleet.v1.Vehicle", protobuf.Options{})
	for json, want := range map[string]string{
		`[]`:                                     `expected an object, found array`,
		`null`:                                   `expected an object, found null`,
		`{"nope":1}`:                             `the schema has no field "nope" in fleet.v1.Vehicle`,
		`{"pos":{"alt":1}}`:                      `field "pos": the schema has no field "alt" in fleet.v1.Vehicle.Pos`,
		`{"vehicle_id":"a","vehicleId":""}`:      `field "vehicle_id": it is there by its name and by its JSON name`,
		`{"litres":1,"kwh":2}`:                   `field "kwh": another member of its oneof is set too`,
		`{"i32":2147483648}`:                     `field "i32": 2147483648 is out of the range of int32`,
		`{"u32":-1}`:                             `field "u32": -1 is out of the range of uint32`,
		`{"u64":-1}`:                             `field "u64": -1 is out of the range of uint64`,
		`{"u64":18446744073709551616}`:           `field "u64": 18446744073709551616 is no integer of the type uint64`,
		`{"i64":1.5}`:                            `field "i64": expected an integer of the type int64, found number`,
		`{"i64":"1"}`:                            `field "i64": expected an integer of the type int64, found string`,
		`{"speed":1e39}`:                         `field "speed": 1e+39 is out of the range of float`,
		`{"on":1}`:                               `field "on": expected a bool, found integer`,
		`{"raw":"*"}`:                            `field "raw": the text isn't base64`,
		`{"state":"GONE"}`:                       `field "state": the enum has no value "GONE"`,
		`{"state":4294967296}`:                   `field "state": 4294967296 is out of the range of enum`,
		`{"tags":["a",null]}`:                    `field "tags.1": expected no null in a repeated field, found null`,
		`{"tags":"a"}`:                           `field "tags": expected an array, found string`,
		`{"track":[{"lat":"x"}]}`:                `field "track.0.lat": expected a number of the type double, found string`,
		`{"counts":[]}`:                          `field "counts": expected an object, found array`,
		`{"counts":{"k":null}}`:                  `field "counts.k": expected no null in a map, found null`,
		`{"stops":{"x":{}}}`:                     `field "stops": the key "x" is no int32`,
		`{"stops":{"2147483648":{}}}`:            `field "stops": the key "2147483648" is no int32`,
		`{"flags":{"1":""}}`:                     `field "flags": the key "1" is no bool`,
		`{"seen":{"-1":"2026-01-01T00:00:00Z"}}`: `field "seen": the key "-1" is no uint64`,
		`{"at":"yesterday"}`:                     `field "at": "yesterday" is no time by RFC 3339`,
		`{"at":5}`:                               `field "at": expected a timestamp, found integer`,
		`{"at":"0000-01-01T00:00:00Z"}`:          `field "at": the timestamp is not between the years 1 and 9999`,
		`{"idle":5}`:                             `field "idle": expected a duration, found integer`,
	} {
		if _, err := encode(t, m, json); err == nil || err.Error() != "protobuf: encode fleet.v1.Vehicle: "+want {
			t.Errorf("%s: got %v, want %s", json, err, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "1.5", "PT1", "P1Y", "P1M", "PT1S1M", "PT1.5M", "PT1.S", "PT1.0000000001S", "PT-1S", "PT315576000001S", "P999999999999D", "P1DT", "PT1e3S", "T1S", "PTxS"} {
		if got, err := encode(t, m, `{"idle":"`+text+`"}`); err == nil {
			t.Errorf("%q is a duration: %s", text, got)
		}
	}
	deep := strings.Repeat(`{"trailer":`, 200) + "{}" + strings.Repeat("}", 200)
	if _, err := encode(t, m, deep); err == nil || !strings.Contains(err.Error(), "nests more than 64 deep") {
		t.Errorf("%v", err)
	}
	if _, err := m.Append(nil, serde.Value{}); err == nil {
		t.Error("a missing value is a message")
	}
}

// Values of other formats have kinds that JSON doesn't have.
func TestAppendKinds(t *testing.T) {
	m := message(t, everything, "fleet.v1.Vehicle", protobuf.Options{Timestamps: protobuf.Epoch})
	tape := serde.NewTape()
	number, err := tape.Decimal([]byte("18446744073709551615"))
	if err != nil {
		t.Fatal(err)
	}
	v := tape.Object([]string{"vehicle_id", "raw", "at", "u64", "seen"}, []serde.Value{
		tape.UUID([16]byte{1}), tape.CopyBytes([]byte{0xFF}), tape.Int64(1_500_000), number, tape.Object([]string{"1"}, []serde.Value{tape.Date(1)}),
	})
	data, err := m.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := toJSON(m, data)
	for _, want := range []string{`"vehicle_id":"01000000-0000-0000-0000-000000000000"`, `"raw":"/w=="`, `"at":1500000,`, `"u64":18446744073709551615`, `"seen":{"1":86400000000}`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s %v, want %s", got, err, want)
		}
	}
}

// Package serdetest is the conformance suite of decoders and encoders: what every [serde.Decoder]
// and [serde.Encoder] must do, whatever its format.
//
// A package with a new format has four short tests, as the example shows: [Test] with records of producers that it doesn't
// belong to, [TestEncoder] if it can write, [TestOutage] if it asks a registry, and a fuzz target of [Fuzz]. The more samples, the
// more is checked: hostile input is made by cutting and changing them, so there should be one for each branch of the format. Run
// them with -race.
package serdetest

package normalize_test

import "testing"

func BenchmarkString(b *testing.B) {
	n := parse(b, "nfc", "trim", "collapse", "strip-html")
	for name, s := range map[string]string{
		"ascii name":  "Asha Maria D'Souza",
		"accent":      "José Álvarez",
		"Devanagari":  "क्\u200dषितिज शर्मा",
		"decomposed":  "  Jose\u0301 A\u0301lvarez ",
		"with markup": "<b>Asha</b> D'Souza",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.String(s)
			}
		})
	}
}

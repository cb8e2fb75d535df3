// SPDX-License-Identifier: Apache-2.0

// Package scan reads JSON of a known form without reflection.
//
// # Terms
//
//   - A Scanner walks through one text. What reads a type calls it field by field, in the order of the text.
//   - Its form is the text that a Scanner takes: a part of JSON in which all that encoding/json takes in more than one way, or with a
//     rule of its own, is missing: names that differ in their case, unknown and repeated names, floating point, escaped names, text that is
//     not UTF-8.
//
// A Scanner says whether the text was of that form, and no more. When it was, encoding/json would have made the same of it; when it was not,
// encoding/json is asked, whose words for what is wrong people know.
//
// # Life cycle
//
//	New ──▶ Object, Array, Str, Int … ──▶ End: true, or the text is not of the form and what was read does not count
//
// # Worked example
//
//	type point struct{ X, Y int64 }
//	var p point
//	s := scan.New(`{"x": 1, "y": 2}`)
//	if s.Object() {
//		var seen scan.Fields
//		for name, ok := s.Field(); ok; name, ok = s.Field() {
//			switch name {
//			case "x":
//				seen.Add(s, 0)
//				p.X = s.Int(64)
//			case "y":
//				seen.Add(s, 1)
//				p.Y = s.Int(64)
//			default:
//				s.Fail()
//			}
//		}
//	}
//	ok := s.End()
package scan

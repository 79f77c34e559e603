package compat

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestCompareSchemas(t *testing.T) {
	cases := map[string]struct {
		reason       string
		theirs, ours string
		want         []Difference
	}{
		"Equal":               {reason: "the same schema is never stricter", theirs: `{type: object, properties: {a: {type: string, default: x, enum: [x]}}, required: [a]}`, ours: `{type: object, properties: {a: {type: string, default: x, enum: [x]}}, required: [a]}`},
		"FieldMissing":        {reason: "strict validation refuses an unknown field", theirs: `{type: object, properties: {a: {type: object, properties: {b: {type: string}}}}}`, ours: `{type: object, properties: {a: {type: object}}}`, want: []Difference{{"a.b", "is missing"}}},
		"FieldPreserved":      {reason: "an unknown field is kept where unknown fields are", theirs: `{type: object, properties: {a: {type: string}}}`, ours: `{type: object, x-kubernetes-preserve-unknown-fields: true}`},
		"FieldOfAMap":         {reason: "a map takes any key, but only values of its type", theirs: `{type: object, properties: {a: {type: string}, b: {type: integer}}}`, ours: `{type: object, additionalProperties: {type: string}}`, want: []Difference{{"b", "is string, theirs is integer"}}},
		"MoreFields":          {reason: "more optional fields are more, not less", theirs: `{type: object}`, ours: `{type: object, properties: {a: {type: string}}}`},
		"Anything":            {reason: "any value includes every object", theirs: `{type: object, required: [a], properties: {a: {type: string}}}`, ours: `{x-kubernetes-preserve-unknown-fields: true}`},
		"NotAnything":         {reason: "theirs takes any value", theirs: `{x-kubernetes-preserve-unknown-fields: true}`, ours: `{type: object, x-kubernetes-preserve-unknown-fields: true}`, want: []Difference{{"", "is object, theirs is any value"}}},
		"Type":                {reason: "another type refuses all", theirs: `{type: string}`, ours: `{type: integer}`, want: []Difference{{"", "is integer, theirs is string"}}},
		"TypeNumber":          {reason: "every integer is a number", theirs: `{type: integer}`, ours: `{type: number}`},
		"TypeInteger":         {reason: "not every number is an integer", theirs: `{type: number}`, ours: `{type: integer}`, want: []Difference{{"", "is integer, theirs is number"}}},
		"IntOrString":         {reason: "an integer or a string is a string", theirs: `{type: string}`, ours: `{x-kubernetes-int-or-string: true}`},
		"NotIntOrString":      {reason: "an integer is not a string", theirs: `{x-kubernetes-int-or-string: true}`, ours: `{type: string}`, want: []Difference{{"", "is string, theirs is an integer or a string"}}},
		"IntOrStringAny":      {reason: "a list is neither", theirs: `{type: array}`, ours: `{x-kubernetes-int-or-string: true}`, want: []Difference{{"", "is an integer or a string, theirs is array"}}},
		"Null":                {reason: "theirs takes null", theirs: `{type: string, nullable: true}`, ours: `{type: string}`, want: []Difference{{"", "may not be null"}}},
		"Required":            {reason: "theirs may leave it out", theirs: `{type: object, properties: {a: {type: string}}}`, ours: `{type: object, properties: {a: {type: string}}, required: [a]}`, want: []Difference{{"a", "is required"}}},
		"RequiredNew":         {reason: "a new field that is required refuses every old object", theirs: `{type: object}`, ours: `{type: object, properties: {a: {type: string}}, required: [a]}`, want: []Difference{{"a", "is required"}}},
		"EnumNew":             {reason: "theirs takes all", theirs: `{type: string}`, ours: `{type: string, enum: [a]}`, want: []Difference{{"", "takes only some values"}}},
		"EnumNarrower":        {reason: "theirs takes one more", theirs: `{type: string, enum: [a, b]}`, ours: `{type: string, enum: [b]}`, want: []Difference{{"", `does not take "a"`}}},
		"EnumWider":           {reason: "one more of ours is no harm", theirs: `{type: string, enum: [a]}`, ours: `{type: string, enum: [a, b]}`},
		"Pattern":             {reason: "two patterns are never compared, only taken over", theirs: `{type: string, pattern: "^a+$"}`, ours: `{type: string, pattern: "^a$"}`, want: []Difference{{"", `has the pattern "^a$", theirs "^a+$"`}}},
		"FormatNarrower":      {reason: "32 bits are fewer than 64", theirs: `{type: integer, format: int64}`, ours: `{type: integer, format: int32}`, want: []Difference{{"", `has the format "int32", theirs "int64"`}}},
		"FormatWider":         {reason: "64 bits hold 32", theirs: `{type: integer, format: int32}`, ours: `{type: integer, format: int64}`},
		"FormatNew":           {reason: "not every string is a time", theirs: `{type: string}`, ours: `{type: string, format: date-time}`, want: []Difference{{"", `has the format "date-time", theirs ""`}}},
		"MinimumHigher":       {reason: "theirs takes -1", theirs: `{type: integer, minimum: -1}`, ours: `{type: integer, minimum: 0}`, want: []Difference{{"", "has the higher minimum 0"}}},
		"MinimumExclusive":    {reason: "theirs takes 0", theirs: `{type: integer, minimum: 0}`, ours: `{type: integer, minimum: 0, exclusiveMinimum: true}`, want: []Difference{{"", "has the higher minimum 0"}}},
		"MinimumLower":        {reason: "-1 of ours is no harm", theirs: `{type: integer, minimum: 0}`, ours: `{type: integer, minimum: -1}`},
		"MaximumNew":          {reason: "theirs has none", theirs: `{type: integer}`, ours: `{type: integer, maximum: 5}`, want: []Difference{{"", "has the lower maximum 5"}}},
		"MultipleOf":          {reason: "theirs takes 1", theirs: `{type: integer}`, ours: `{type: integer, multipleOf: 2}`, want: []Difference{{"", "has to be a multiple of 2"}}},
		"MinLength":           {reason: "theirs takes an empty string", theirs: `{type: string}`, ours: `{type: string, minLength: 1}`, want: []Difference{{"", "has the higher minLength 1"}}},
		"MaxLength":           {reason: "theirs takes ten letters", theirs: `{type: string, maxLength: 10}`, ours: `{type: string, maxLength: 9}`, want: []Difference{{"", "has the lower maxLength 9"}}},
		"MinItems":            {reason: "theirs takes an empty list", theirs: `{type: array}`, ours: `{type: array, minItems: 1}`, want: []Difference{{"", "has the higher minItems 1"}}},
		"MaxItems":            {reason: "theirs has no end", theirs: `{type: array}`, ours: `{type: array, maxItems: 9}`, want: []Difference{{"", "has the lower maxItems 9"}}},
		"MinProperties":       {reason: "theirs takes an empty object", theirs: `{type: object}`, ours: `{type: object, minProperties: 1}`, want: []Difference{{"", "has the higher minProperties 1"}}},
		"MaxProperties":       {reason: "theirs has no end", theirs: `{type: object}`, ours: `{type: object, maxProperties: 9}`, want: []Difference{{"", "has the lower maxProperties 9"}}},
		"UniqueItems":         {reason: "theirs takes an item twice", theirs: `{type: array}`, ours: `{type: array, uniqueItems: true}`, want: []Difference{{"", "takes no equal items"}}},
		"AllOf":               {reason: "each of them is one more condition", theirs: `{type: string}`, ours: `{type: string, allOf: [{pattern: a}]}`, want: []Difference{{"", "has another allOf than theirs"}}},
		"AnyOf":               {reason: "one of them has to fit", theirs: `{type: string}`, ours: `{type: string, anyOf: [{pattern: a}]}`, want: []Difference{{"", "has another anyOf than theirs"}}},
		"OneOf":               {reason: "just one of them has to fit", theirs: `{type: string}`, ours: `{type: string, oneOf: [{pattern: a}]}`, want: []Difference{{"", "has another oneOf than theirs"}}},
		"Not":                 {reason: "what fits it is refused", theirs: `{type: string}`, ours: `{type: string, not: {pattern: a}}`, want: []Difference{{"", "has another not than theirs"}}},
		"Rule":                {reason: "a rule refuses what breaks it", theirs: `{type: object}`, ours: `{type: object, x-kubernetes-validations: [{rule: "has(self.a)"}]}`, want: []Difference{{"", `has the rule "has(self.a)", which theirs lacks`}}},
		"ListMap":             {reason: "a list with keys refuses an item twice", theirs: `{type: array}`, ours: `{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name]}`, want: []Difference{{"", "is a list of type map, theirs of type atomic"}, {"", "has the list keys [name], theirs []"}}},
		"ListMapKeys":         {reason: "fewer keys make more items equal", theirs: `{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [a, b]}`, ours: `{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [a]}`, want: []Difference{{"", "has the list keys [a], theirs [a b]"}}},
		"ListSet":             {reason: "a set refuses an item twice", theirs: `{type: array}`, ours: `{type: array, x-kubernetes-list-type: set}`, want: []Difference{{"", "is a list of type set, theirs of type atomic"}}},
		"MapType":             {reason: "two appliers of one atomic map lose each other's keys", theirs: `{type: object}`, ours: `{type: object, x-kubernetes-map-type: atomic}`, want: []Difference{{"", "is a map of type atomic, theirs of type granular"}}},
		"Preserve":            {reason: "theirs keeps what it does not know", theirs: `{type: object, x-kubernetes-preserve-unknown-fields: true}`, ours: `{type: object}`, want: []Difference{{"", "loses unknown fields"}}},
		"Embedded":            {reason: "an embedded resource needs a kind", theirs: `{type: object}`, ours: `{type: object, x-kubernetes-embedded-resource: true}`, want: []Difference{{"", "embeds a resource: true, theirs: false"}}},
		"DefaultNew":          {reason: "a default changes what an object means", theirs: `{type: string}`, ours: `{type: string, default: x}`, want: []Difference{{"", `defaults to "x", theirs to nothing`}}},
		"DefaultLost":         {reason: "so does the lack of one", theirs: `{type: string, default: x}`, ours: `{x-kubernetes-preserve-unknown-fields: true}`, want: []Difference{{"", `defaults to nothing, theirs to "x"`}}},
		"DefaultOther":        {reason: "or another", theirs: `{type: string, default: x}`, ours: `{type: string, default: "y"}`, want: []Difference{{"", `defaults to "y", theirs to "x"`}}},
		"MapValues":           {reason: "the values of maps are compared", theirs: `{type: object, additionalProperties: {type: string}}`, ours: `{type: object, additionalProperties: {type: string, minLength: 1}}`, want: []Difference{{"{}", "has the higher minLength 1"}}},
		"MapValuesAny":        {reason: "theirs takes any value", theirs: `{type: object, additionalProperties: true}`, ours: `{type: object, additionalProperties: {type: string}}`, want: []Difference{{"{}", "is string, theirs is any value"}}},
		"MapLost":             {reason: "theirs takes any key", theirs: `{type: object, additionalProperties: {type: string}}`, ours: `{type: object}`, want: []Difference{{"", "takes no keys of the user's choice"}}},
		"MapWithFixedFields":  {reason: "a key of the user's may be a field of ours", theirs: `{type: object, additionalProperties: {type: string}}`, ours: `{type: object, properties: {a: {type: integer}}, x-kubernetes-preserve-unknown-fields: true}`, want: []Difference{{"", "has fixed fields, theirs is a map"}}},
		"Items":               {reason: "the items of lists are compared", theirs: `{type: array, items: {type: string}}`, ours: `{type: array, items: {type: integer}}`, want: []Difference{{"[]", "is integer, theirs is string"}}},
		"ItemsAny":            {reason: "theirs takes any item", theirs: `{type: array}`, ours: `{type: array, items: {type: string}}`, want: []Difference{{"[]", "is string, theirs is any value"}}},
		"Deep":                {reason: "paths tell where", theirs: `{type: object, properties: {a: {type: object, additionalProperties: {type: array, items: {type: object, properties: {b: {type: string}}}}}}}`, ours: `{type: object, properties: {a: {type: object, additionalProperties: {type: array, items: {type: object}}}}}`, want: []Difference{{"a{}[].b", "is missing"}}},
		"PreservedButTyped":   {reason: "a field of ours is compared even where unknown ones are kept", theirs: `{type: object, properties: {a: {type: string}}}`, ours: `{type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: integer}}}`, want: []Difference{{"a", "is integer, theirs is string"}}},
		"TheirsIsTheStricter": {reason: "more freedom is no difference", theirs: `{type: object, required: [a], properties: {a: {type: string, pattern: x, maxLength: 3, minLength: 1, enum: [x], format: uuid}}}`, ours: `{type: object, properties: {a: {type: string}}}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := CompareSchemas(parse(t, c.theirs), parse(t, c.ours))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", c.reason, diff)
			}
		})
	}
}

func parse(t *testing.T, text string) *schema {
	t.Helper()
	s := &schema{}
	if err := yaml.UnmarshalStrict([]byte(text), s); err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return s
}

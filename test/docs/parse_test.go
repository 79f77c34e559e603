package docs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	text := func(lines ...string) string { return strings.ReplaceAll(strings.Join(lines, "\n"), "'''", "```") }
	cases := map[string]struct {
		page string
		want []block
		// wrong is a part of what is wrong.
		wrong string
	}{
		"Block": {
			page: text("words", "'''yaml", "a: 1", "", "b: 2", "'''", "words"),
			want: []block{{page: "p", line: 2, language: "yaml", text: "a: 1\n\nb: 2\n"}},
		},
		"InAList": {
			page: text("1. words", "   '''sh", "   if true; then", "     echo", "   fi", "   '''"),
			want: []block{{page: "p", line: 2, language: "sh", text: "if true; then\n  echo\nfi\n"}},
		},
		"LongerFence": {
			page: "````text\n```\n````",
			want: []block{{page: "p", line: 1, language: "text", text: "```\n"}},
		},
		"Apart": {
			page: text("<!-- test: with checkout -->", "", "'''sh", "'''"),
			want: []block{{page: "p", line: 3, language: "sh", directive: directive{with: []string{"checkout"}}}},
		},
		"Several": {
			page: text("<!-- test: file x.yaml; values; with git -->", "'''yaml", "'''"),
			want: []block{{page: "p", line: 2, language: "yaml", directive: directive{file: "x.yaml", as: "values", with: []string{"git"}}}},
		},
		"RunByAStory": {
			page: text("<!-- test: run by TestX -->", "'''sh", "'''", "<!-- test: with checkout -->", "'''sh", "'''"),
			want: []block{
				{page: "p", line: 2, language: "sh", directive: directive{runBy: "TestX"}},
				{page: "p", line: 5, language: "sh", directive: directive{with: []string{"checkout"}}},
			},
		},
		"Alone": {
			page: text("<!-- test: alone; with Gantry; with hooks -->", "'''sh", "'''", "<!-- test: alone kustomize -->", "'''sh", "'''"),
			want: []block{
				{page: "p", line: 2, language: "sh", directive: directive{alone: "alone", with: []string{"Gantry", "hooks"}}},
				{page: "p", line: 5, language: "sh", directive: directive{alone: "alone kustomize"}},
			},
		},
		"NotAlone": {
			page:  text("<!-- test: with PKO -->", "'''sh", "'''"),
			want:  []block{{page: "p", line: 2, language: "sh", directive: directive{with: []string{"PKO"}}}},
			wrong: "only what runs alone",
		},
		"UnknownThing": {page: text("<!-- test: with luck -->", "'''sh", "'''"), want: []block{{page: "p", line: 2, language: "sh"}}, wrong: `"with luck"`},
		"RunIsForCommands": {
			page:  text("<!-- test: run by TestX -->", "'''json", "'''"),
			want:  []block{{page: "p", line: 2, language: "json", directive: directive{runBy: "TestX"}}},
			wrong: "only commands",
		},
		"Part": {
			page: text("<!-- test: part of Stack spec -->", "'''yaml", "'''"),
			want: []block{{page: "p", line: 2, language: "yaml", directive: directive{as: "part", kind: "Stack", path: "spec"}}},
		},
		"AnotherComment":  {page: text("<!-- words -->", "'''sh", "'''"), want: []block{{page: "p", line: 2, language: "sh"}}},
		"NoLanguage":      {page: text("'''", "'''"), want: []block{{page: "p", line: 1}}, wrong: "no language"},
		"UnknownLanguage": {page: text("'''bash", "'''"), want: []block{{page: "p", line: 1, language: "bash"}}, wrong: `"bash" is not one of`},
		"UnknownWord":     {page: text("<!-- test: skip -->", "'''sh", "'''"), want: []block{{page: "p", line: 2, language: "sh"}}, wrong: `"skip"`},
		"WrongLanguage": {
			page:  text("<!-- test: values -->", "'''sh", "'''"),
			want:  []block{{page: "p", line: 2, language: "sh", directive: directive{as: "values"}}},
			wrong: "means nothing before sh",
		},
		"CommentOfNoBlock": {page: text("<!-- test: values -->", "words"), wrong: "of no block"},
		"NoEnd":            {page: text("'''sh", "echo"), wrong: "no end"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, problems := parse("p", tc.page)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(block{}, directive{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			said := strings.Join(problems, "\n")
			if (said == "") != (tc.wrong == "") || !strings.Contains(said, tc.wrong) {
				t.Errorf("it says %q, want %q", said, tc.wrong)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	command := func(line int, alone string) block {
		return block{line: line, language: "sh", directive: directive{alone: alone}}
	}
	output := func(line int) block { return block{line: line, language: "text", directive: directive{as: "output"}} }
	file := block{line: 3, language: "yaml", directive: directive{file: "a.yaml"}}
	page := []block{command(1, ""), output(2), file, command(4, "alone"), output(5), {line: 6, language: "yaml"}, command(7, ""), command(8, "alone two"), output(9)}
	want := map[string][]block{
		"":          {page[0], page[1], file, page[6]},
		"alone":     {file, page[3], page[4]},
		"alone two": {file, page[7], page[8]},
	}
	if diff := cmp.Diff(want, sessions(page), cmp.AllowUnexported(block{}, directive{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFirstMissing(t *testing.T) {
	cases := map[string]struct{ printed, shown, want string }{
		"Same":         {printed: "a  b\nc\n", shown: "a b\nc\n"},
		"Among":        {printed: "x\na b\ny\nc\n", shown: "a b\nc\n"},
		"Anything":     {printed: "greeting  True  12s\n", shown: "greeting True …\n"},
		"OtherOrder":   {printed: "c\na\n", shown: "a\nc\n", want: "c"},
		"PartOfALine":  {printed: "abc\n", shown: "ab\n", want: "ab"},
		"NoExpression": {printed: "abc\n", shown: "a.c\n", want: "a.c"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := firstMissing(tc.printed, tc.shown); got != tc.want {
				t.Errorf("%q is missing, want %q", got, tc.want)
			}
		})
	}
}

package server_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

const (
	authorizationDoc = "../docs/authorization.md"
	docRegion        = "local-1"
)

var (
	docSection = regexp.MustCompile(`(?m)^## Example \d: .*$`)
	docBlock   = regexp.MustCompile("(?ms)^```(\\w+) ?(\\S*)\n(.*?)^```$")
	docKeyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// TestAuthorizationExamples: what docs/authorization.md shows happens, command by
// command, each example on an appliance of its own.
func TestAuthorizationExamples(t *testing.T) {
	text, err := os.ReadFile(authorizationDoc)
	if err != nil {
		t.Fatal(err)
	}
	at := docSection.FindAllIndex(text, -1)
	if len(at) != 6 {
		t.Fatalf("%d examples", len(at))
	}
	for i, from := range at {
		to := len(text)
		if i+1 < len(at) {
			to = at[i+1][0]
		}
		t.Run(string(text[from[0]+3:from[1]]), func(t *testing.T) {
			kit := testkit.Start(t)
			d := docRun{t: t, kit: kit, files: map[string]string{}, ids: strings.NewReplacer(), shown: strings.NewReplacer(),
				profiles: map[string]aws.CredentialsProvider{"": testkit.LongTerm(kit.Credentials)}}
			for _, b := range docBlock.FindAllStringSubmatch(string(text[from[0]:to]), -1) {
				switch b[1] {
				case "json":
					d.files[b[2]] = b[3]
				case "console":
					d.console(b[3])
				}
			}
			if d.commands == 0 {
				t.Error("no commands")
			}
		})
	}
}

// docRun runs the commands of one example. The one key of an example has an id
// that the page made up; ids and shown translate between it and the real one.
type docRun struct {
	t          *testing.T
	kit        *testkit.Kit
	files      map[string]string
	profiles   map[string]aws.CredentialsProvider
	ids, shown *strings.Replacer
	commands   int
	profile    string            // of the last command
	phone      *phone            // the MFA device of the example
	codes      map[string]string // that it showed, by those that the page made up
}

// console runs a transcript: "$ " begins a command, other lines are what it says.
func (d *docRun) console(transcript string) {
	d.t.Helper()
	transcript = strings.ReplaceAll(transcript, "\\\n", " ")
	for _, part := range strings.Split("\n"+transcript, "\n$ ")[1:] {
		command, want, _ := strings.Cut(part, "\n")
		want = strings.TrimSpace(want)
		got := strings.TrimSpace(d.shown.Replace(d.run(strings.Fields(command), want))) // a message of AWS's ends in a space
		if d.commands++; got != want {
			d.t.Errorf("$ %s\n%s\nwant:\n%s", command, got, want)
		}
	}
}

// run is what the AWS CLI does with a command: the operation of that name, with
// the members that the options name, by AWS's client.
func (d *docRun) run(words []string, want string) string {
	d.t.Helper()
	var file string
	if n := len(words); n > 5 && strings.Join(words[n-5:n-1], " ") == "| base64 -d >" {
		words, file = words[:n-5], words[n-1]
	}
	profile := ""
	if words[0] != "aws" {
		d.t.Fatalf("%q is no command of the AWS CLI", words)
	}
	if words = words[1:]; words[0] == "--profile" {
		profile, words = words[1], words[2:]
	}
	as, ok := d.profiles[profile]
	if !ok {
		d.t.Fatalf("no profile %s", profile)
	}
	operation := pascal(words[1])
	method := reflect.ValueOf(d.client(words[0], as)).MethodByName(operation)
	if !method.IsValid() {
		d.t.Fatalf("%s has no operation %s", words[0], operation)
	}
	in := reflect.New(method.Type().In(1).Elem())
	query := d.fill(in.Elem(), words[2:])
	d.profile = profile
	out := method.Call([]reflect.Value{reflect.ValueOf(d.t.Context()), in})
	if err, _ := out[1].Interface().(error); err != nil {
		return refusalText(operation, err)
	}
	d.remember(in.Elem(), out[0].Elem())
	if query == "" {
		return ""
	}
	value := out[0].Elem()
	for _, name := range strings.Split(query, ".") {
		value = reflect.Indirect(value.FieldByName(name))
	}
	if file != "" {
		d.files[file] = string(value.Bytes())
		return ""
	}
	if docKeyID.MatchString(want) && operation == "CreateKey" {
		d.ids, d.shown = strings.NewReplacer(want, value.String()), strings.NewReplacer(value.String(), want)
	}
	if value.Kind() == reflect.Slice {
		return base64.StdEncoding.EncodeToString(value.Bytes())
	}
	return value.String()
}

func (d *docRun) client(service string, as aws.CredentialsProvider) any {
	switch service {
	case "kms":
		return d.kit.KMSWith(docRegion, as)
	case "iam":
		return d.kit.IAMWith(as)
	case "sts":
		return d.kit.STSWith(docRegion, as)
	}
	d.t.Fatalf("no service %s", service)
	return nil
}

// remember puts new credentials into a profile: an access key into its user's, a
// session into that of its name.
func (d *docRun) remember(in, out reflect.Value) {
	if key := out.FieldByName("AccessKey"); key.IsValid() {
		k := key.Elem()
		text := func(name string) string { return k.FieldByName(name).Elem().String() }
		d.profiles[text("UserName")] = testkit.LongTerm(iam.Credentials{ID: text("AccessKeyId"), Secret: iam.Secret(text("SecretAccessKey"))})
	}
	if device := out.FieldByName("VirtualMFADevice"); device.IsValid() {
		made := device.Interface().(*iamtypes.VirtualMFADevice)
		d.phone = &phone{d.t, d.kit, made.SerialNumber, string(made.Base32StringSeed)}
	}
	if in.FieldByName("TokenCode").IsValid() && !in.FieldByName("RoleSessionName").IsValid() {
		d.profiles[d.profile+"-mfa"] = testkit.Temporary(out.FieldByName("Credentials").Interface().(*types.Credentials))
	}
	if name := in.FieldByName("RoleSessionName"); name.IsValid() {
		d.profiles[name.Elem().String()] = testkit.Temporary(out.FieldByName("Credentials").Interface().(*types.Credentials))
	}
}

// code is what the phone showed where the page says that it showed this.
func (d *docRun) code(onPage string) string {
	if d.codes == nil {
		d.codes = make(map[string]string)
	}
	if _, ok := d.codes[onPage]; !ok {
		d.kit.OATHOffset.Add(int64(30 * time.Second)) // each is the next one
		d.codes[onPage] = *d.phone.code(0)
	}
	return d.codes[onPage]
}

// fill sets the members that the options name and returns the --query.
func (d *docRun) fill(in reflect.Value, options []string) (query string) {
	d.t.Helper()
	for len(options) > 0 {
		name := strings.TrimPrefix(options[0], "--")
		values := options[1:]
		end := 0
		for end < len(values) && !strings.HasPrefix(values[end], "--") {
			end++
		}
		values, options = values[:end], options[1+end:]
		switch name {
		case "query":
			query = values[0]
		case "output", "bootstrap-method", "outfile": // where the command line leaves what it got
		case "authentication-code1", "authentication-code2", "token-code":
			d.set(in.FieldByName(pascal(name)), []string{d.code(values[0])})
		default:
			field := in.FieldByName(pascal(name))
			if !field.IsValid() {
				d.t.Fatalf("%s has no member %s", in.Type(), pascal(name))
			}
			d.set(field, values)
		}
	}
	return query
}

func (d *docRun) set(field reflect.Value, values []string) {
	d.t.Helper()
	for i, v := range values {
		values[i] = d.ids.Replace(v)
		if _, name, ok := strings.Cut(v, "://"); ok && strings.HasPrefix(v, "file") {
			text, ok := d.files[name]
			if !ok {
				d.t.Fatalf("no file %s", name)
			}
			values[i] = d.ids.Replace(text)
		}
	}
	switch p := field.Addr().Interface().(type) {
	case **string:
		*p = &values[0]
	case **int32:
		n := must(strconv.ParseInt(values[0], 10, 32))
		*p = aws.Int32(int32(n))
	case *[]byte:
		*p = []byte(values[0])
		if blob, err := base64.StdEncoding.DecodeString(values[0]); err == nil {
			*p = blob
		}
	case *map[string]string:
		*p = pairs(values[0])
	default: // a list of structures
		for _, v := range values {
			item := reflect.New(field.Type().Elem()).Elem()
			for name, text := range pairs(v) {
				item.FieldByName(name).Set(reflect.ValueOf(&text))
			}
			field.Set(reflect.Append(field, item))
		}
	}
}

// pairs reads the shorthand a=1,b=2.
func pairs(text string) map[string]string {
	m := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		m[name] = value
	}
	return m
}

func pascal(kebab string) string {
	var b strings.Builder
	for _, word := range strings.Split(kebab, "-") {
		if word == "mfa" {
			word = "MFA"
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// refusalText is what the AWS CLI prints of an error.
func refusalText(operation string, err error) string {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return err.Error()
	}
	return fmt.Sprintf("An error occurred (%s) when calling the %s operation: %s", e.ErrorCode(), operation, e.ErrorMessage())
}

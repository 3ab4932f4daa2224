package command

import "strings"

// answer says what one error code means to the person who meets it.
type answer struct {
	exit exit
	// text is shown if the service sent no message, as KMS does for some.
	text string
	// hint may hold {key}, the key in the message, and {request}, the request id.
	hint string
	// refine chooses by the message, where one code means several things.
	refine func(a answer, message string) answer
}

// answers is by AWS's error code, without the "Exception" that some protocols
// add.
var answers = map[string]answer{
	"AccessDenied":               {exitRefused, "access denied", `"keyctl whoami" says who you are; the key policy or an identity policy must allow the action`, granting},
	"UnrecognizedClient":         {exitRefused, "access key unknown", hintCredentials, nil},
	"InvalidClientTokenId":       {exitRefused, "access key unknown", hintCredentials, nil},
	"MissingAuthenticationToken": {exitRefused, "the request was not signed", hintCredentials, nil},
	"IncompleteSignature":        {exitRefused, "the signature is not complete", hintCredentials, nil},
	"ExpiredToken":               {exitRefused, "the session has expired", "get a new session token", nil},
	"InvalidSignature":           {exitRefused, "the signature does not match", hintSecret, skewed},
	"SignatureDoesNotMatch":      {exitRefused, "the signature does not match", hintSecret, skewed},
	"RequestExpired":             {exitRefused, "the request is too old", hintClock, nil},
	"RequestTimeTooSkewed":       {exitRefused, "the clocks differ", hintClock, nil},
	"NotFound":                   {exitNotFound, "not found", `"keyctl key list" shows what is there; alias names begin with alias/, and keys live in one --region`, nil},
	"InvalidArn":                 {exitUsage, "not an ARN of this account and region", "give a key id, a key ARN, alias/NAME or an alias ARN", nobody},
	"InvalidAliasName":           {exitUsage, "alias name not valid", "letters, digits and :/_- after alias/; names that begin with alias/aws/ are reserved", nil},
	"Validation":                 {exitUsage, "a value is not valid", "see --help of the command", nil},
	"ValidationError":            {exitUsage, "a value is not valid", "see --help of the command", nil},
	"MalformedPolicyDocument": {exitUsage, "the policy is not valid",
		`"keyctl policy lint" says where; a key policy must let someone call kms:PutKeyPolicy`, nil},
	"UnsupportedOperation":   {exitFailure, "keyd does not do this", "", nil},
	"LimitExceeded":          {exitFailure, "a limit was reached", "", nil},
	"AlreadyExists":          {exitState, "the name is taken", `"keyctl alias list" shows the names in use; "keyctl alias update" points one to another key`, nil},
	"NoSuchEntity":           {exitNotFound, "not found", `"keyctl user list", "group list", "role list" and "policy list" show what is there`, nil},
	"EntityAlreadyExists":    {exitState, "the name is taken", "", nil},
	"DeleteConflict":         {exitState, "something of it is still in use", `"keyctl user show", "group show" and "role show" say what; delete with --force takes it along`, nil},
	"InvalidInput":           {exitUsage, "a value is not valid", "see --help of the command", nil},
	"UnmodifiableEntity":     {exitState, "it cannot be changed", "", nil},
	"PackedPolicyTooLarge":   {exitUsage, "session policy and tags are too large", "shorten them", nil},
	"ConcurrentModification": {exitState, "it was changed meanwhile", "look at it, and try again", nil},
	"InvalidAction":          {exitFailure, "keyd does not do this", "", nil},
	"ServiceFailure":         {exitUnavailable, "keyd failed", hintToken, nil},
	"Disabled":               {exitState, "the key is disabled", "enable it: keyctl key enable {key}", nil},
	"KMSInvalidState":        {exitState, "the state of the key does not allow it", "see its state: keyctl key describe {key}", pending},
	"InvalidKeyUsage":        {exitUsage, "the key is not made for this", "see what it is for: keyctl key describe {key}", incompatible},
	"KMSInvalidSignature":    {exitInvalid, "the signature is not of this message by this key", "message, signature, key and --algorithm must belong together", nil},
	"KMSInvalidMac":          {exitInvalid, "the MAC is not of this message by this key", "message, MAC, key and --algorithm must belong together", nil},
	"InvalidGrantToken":      {exitUsage, "the grant token is not valid", "it is what grant create printed, while the grant lasts", nil},
	"InvalidGrantId":         {exitUsage, "the grant id is not valid", `"keyctl grant list" shows the grants of a key`, nil},
	"Tag":                    {exitUsage, "a tag is not valid", "names have 1 to 128 characters and do not begin with aws:, values up to 256; a key has up to 50", nil},
	"Conflict":               {exitState, "something else is in progress with this key", "try again when it is done: keyctl rotate status {key}", nil},
	"ExpiredImportToken":     {exitState, "the import token has expired", "try again: each try asks for a new one", nil},
	"InvalidImportToken":     {exitState, "the import token is not of this key", "try again: each try asks for a new one", nil},
	"IncorrectKeyMaterial": {exitUsage, "the material is not the one that this key has had",
		"a key takes back its own material only; another for a symmetric key: --new, then keyctl rotate now", nil},
	"CustomKeyStoreNotFound":     {exitNotFound, "no such custom key store", `"keyctl store list" shows what is there`, nil},
	"CustomKeyStoreNameInUse":    {exitState, "the name is taken", `"keyctl store list" shows the names in use`, nil},
	"CustomKeyStoreInvalidState": {exitState, "the custom key store's connection does not allow it", `"keyctl store list" shows it; keyctl store connect and disconnect change it`, nil},
	"CustomKeyStoreHasCMKs":      {exitState, "the custom key store has keys", `"keyctl key list -o json" says which (CustomKeyStoreId); schedule their deletion first`, nil},
	"CloudHsmClusterNotFound":    {exitNotFound, "no token has this cluster id", "tokens and their cluster ids are in keyd's configuration", nil},
	"CloudHsmClusterInUse":       {exitState, "the token is a custom key store already", `"keyctl store list" shows which`, nil},
	"CloudHsmClusterNotActive":   {exitUnavailable, "the token does not answer", "is it there, and its module loaded? keyd's log says more, under request {request}", nil},
	"CloudHsmClusterNotRelated":  {exitState, "that is another token", "its keys would be lost: make a new custom key store of it", nil},
	"CloudHsmClusterInvalidConfiguration": {exitUnavailable, "the token is not set up for this",
		"it needs a user with a PIN and the mechanisms of keyd's keys; keyd's log says more, under request {request}", nil},
	"IncorrectTrustAnchor": {exitUsage, "the certificate is not the token's", "give the one in keyd's configuration: --trust-anchor FILE", nil},
	"InvalidCiphertext": {exitCiphertext, "the ciphertext does not open",
		"give the same --context as at encryption, every pair of it; the ciphertext must be whole and from this keyd", nil},
	"IncorrectKey":       {exitCiphertext, "the ciphertext was made with another key", "leave --key out: the ciphertext names its key", nil},
	"KeyUnavailable":     {exitUnavailable, "the key is not available now", hintToken, nil},
	"KMSInternal":        {exitUnavailable, "keyd failed", hintToken, nil},
	"InternalFailure":    {exitUnavailable, "keyd failed", hintToken, nil},
	"DependencyTimeout":  {exitUnavailable, "the token did not answer in time", hintToken, nil},
	"ServiceUnavailable": {exitUnavailable, "keyd is not available", hintToken, nil},
	"Throttling":         {exitUnavailable, "too many requests", "wait a moment and try again", nil},
}

const (
	hintCredentials = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the --profile: are they of this keyd?"
	hintSecret      = "check AWS_SECRET_ACCESS_KEY, or the secret in the --profile: is it of this keyd?"
	hintClock       = "set the clock of this machine; keyd accepts five minutes of difference"
	hintToken       = "does the token answer? keyd's log says more, under request {request}"
)

// skewed tells a wrong clock from a wrong secret: one code has both.
func skewed(a answer, message string) answer {
	if strings.Contains(message, "signature expired") || strings.Contains(message, "signature not yet current") {
		a.hint = hintClock
	}
	return a
}

// nobody tells the ARN of somebody from that of a key.
func nobody(a answer, message string) answer {
	if strings.Contains(message, "valid principal") {
		a.hint = "is there such a user or role? a role with a path has it in its ARN"
	}
	return a
}

// incompatible tells a key for other things from one that only needs another
// algorithm.
func incompatible(a answer, message string) answer {
	if strings.Contains(message, "is incompatible with key spec") {
		a.hint = "name one of the key's with --algorithm: keyctl key describe shows them"
	}
	return a
}

// pending says what to do about a key that waits for its end, or its material.
func pending(a answer, message string) answer {
	switch {
	case strings.Contains(message, "is not pending deletion"):
		a.hint = "there is no deletion to cancel; " + a.hint
	case strings.Contains(message, "is unavailable"):
		a.hint = "it lives in a custom key store: keyctl store list, keyctl store connect"
	case strings.Contains(message, "pending import"):
		a.hint = "give it its material: keyctl key import {key} FILE"
	case strings.Contains(message, "pending deletion"):
		a.hint = "keep the key: keyctl key cancel-deletion {key}, then keyctl key enable {key}"
	}
	return a
}

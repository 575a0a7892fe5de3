/**
 * The words that errors of servers, APIs and libraries are written in: English, TLS, file systems, the vendors' own. A
 * word that is missing here is shown as `…`, so add those that people need. No name, no number, nothing a secret may
 * be.
 */
const WORDS = `
a aadsts able abort aborted aborting aborts about above absent absolute absolutely abstract accept acceptable
accepted accepting accepts access accessed accessible accessing according account accounts accuracy acknowledged
acl acm acme acquired across act action actions activate active actively activity acts actual actually add added
adding addition additional additionally addr address addresses adds adheres adjust adjusted adjustment admin
adopt adopted ads advanced advertise advice aes affect affected affecting after afterwards again against age
agent aggregate aggregated aggressive ago agree ah ahead aks alb alert alerts alg algo algorithm algorithms
alias aliases align alignment alive all alloc allocate allocated allocating allocation allocations allow allowed
allowing allows alone along alpn already also alt alternate alternative although always ambiguity ambiguous
among amount an ana and annotation annotations anonymous another ansi answer answered answers any anymore
anything anyway anywhere apache apachectl apart api apiserver app appear appears append appended appending
appends applicable application applications applied applies apply approach appropriate approximate apps apr
arbitrary architecture archive are aren arg args argument arguments argv arn around array arrays arrival arrives
as ascii ask asked asking asks asn assert assertion assign assigned assigning assignment associate associated
assuming assurances async asynchronous asynchronously at atomic atomically atoms attach attached attachment
attack attempt attempted attempting attempts attribute attributes audience audit auth authenticate
authenticating authentication author authoritative authority authorization authorized auto automated automatic
automatically available averaged avg avoid await awaiting aware away aws azure back backend backends background
backing backoff backslash backup bad badge balancer balancers balancing bandwidth bar bare base based basename
bash basic basis be bearer became because become becomes been before begin beginning begins behave behavior
behaviour behind being belong belonging belongs below benchmark benchmarks beside best better between beyond big
bigip bin binary bind binding bio bit bits black blacklisted blob block blocked blocking blocks bodies body bold
bool boolean border both bottom bounce bounced bound boundary bounded bounds box brace braces bracket brackets
branch brand break breaking bridge bring brings broadcast broken broker browser browsers bucket buf buffer
buffered buffering buffers bug bugs build building builds built bulk bump bundle bundled bundler bundles
bundling busy but by bypass byte bytes ca cache cached caches caching caddy call callback callbacks called
caller calling calls came can cancel canceled cancelled cannot canonical cap capabilities capability capable
capacity capital capture captures carried carries carry case cases cast cat catch catches categories category
cause caused causes causing cbc cells center central cert certain certainly certbot certfile certificate
certificates certs chain chaining chains challenge challenges change changed changes changing channel channels
char character characters charge chars charset check checked checking checks child children chmod choice choices
choose chown chrome chroot chunk chunked chunking chunks cipher ciphers claim claims class classes clean
cleaning cleanup clear cli client clients clientssl clock clone close closed closes closing closure cloud
cloudflare cluster clusterrole cmd cn cname cnames code codes coefficient collection collections collector
collision colon colons color column columns combination combinations combined come comes coming comma command
commands comment comments commercial commit committed common communicating communication community comp
companies compare comparison compat compatibility compatible compilation compile compiled compiler compiling
complete completed completely completes completion complex component components composition comprehensive
compressed compression compromise compute concerns concurrency concurrent condition conditional conditionally
conditions conf config configs configurable configuration configurations configure configured conflict
conflicting conflicts conform conjunction conn connect connected connecting connection connections consecutive
consider considered considering consist consistent console const constant constants constraint constraints
construct constructed constructing construction constructor consume consumed consumer consuming contact contain
contained container containing contains content contents context contiguous continuation continue continued
continues continuing continuous contribute contributing contributors control controlled controller controllers
controls convenience convenient convention conversion convert converted converter converting cookie cookies
copied copies copy copying core correct correctly corresponding corrupted corruption could couldn count counted
counter counters counts coverage covering cpu crash crashed create created creates creating creation credential
credentials credit crit critical crl crt crypto cryptographic csr css ctx curl current currently curve custom
cut cwd cycle cycles daily dangerous dash dashed data database datagram date dates day days db dead deadline
deal debug debugging decided decides decimal declaration declarations declare declared declaring decode decoded
decoder decoders decoding decompression decrypt decrypting decryption deep def default defaulting defaults defer
deferred deferring define defined defines defining definition definitions deflate del delay delayed delegate
delegation delete deleted deletes deleting deletion delimited delimiter delta demands denied deny dep depend
dependencies dependency depending depends deploy deployed deployer deployers deploys deprecated deprecation deps
depth der dereference derivation des describe described describes description descriptor descriptors
deserialization deserialize designed desired destination destroy destroyed destroying detach detached detail
detailed details detect detected detection determine determines dev developer developers development device
devices dh dial dialled dictionary did didn die died dies diff differ difference differences different differs
digest digit digital digits dir direct direction directive directives directly directories directory dirname
dirs disable disabled disables disabling disallow discard disconnect disconnected disk dispatch display
displayed dist distinct distinguished distinguishes distribute distributed distribution div divide dns do doc
docs document documentation documented documents does doesn doing domain domains don done dot dotted double
doveconf dovecot down downgrade download downloads downstream drain drained draining draws drop dropped dropping
drops dsa dtls due dummy dump dumping dumps dup duplicate duplicated duration during dying dynamic dynamically
eacces each eaddrinuse earlier early easier easily easy ec ecdsa echo econnrefused econnreset ed edge edit
editors effect effective effects effort ehostunreach eight either eks elb element elements eligible else
elsewhere email embed embedded emerg emergency emfile emit emits emitted empty enable enabled enables enabling
enc encode encoded encoder encoders encoding encounter encountered encrypt encrypted encryption end ended endian
ending endpoint endpoints ends enetunreach enforce engine engines enoent enospc enotfound enough enqueued ensure
entering enterprise enters entire entity entra entries entropy entry enum env envelope enveloped environment
environments envoy eof eperm epipe epoch equal equivalent err errno error errors esac escape escaped escapes
escaping establish established estimated etc etimedout evaluate evaluated evaluating evaluation even evenly
event events ever every everybody everything everywhere evicting exact exactly example examples exceed exceeded
exceeds except exception exceptions excess excessive exchange exclude excluded exec executable execute executed
executing execution exist existence existing exists exit exited exiting exp expand expanding expansion expect
expectation expected expecting expects experimental expert expiration expire expired expires expiry explicit
explicitly exponent exponential export exported exporter exporting exports expose exposed exposes express
expression expressions ext extend extended extends extension extensions extensive extent external extra extract
extracting extraction extracts extraneous factor factory facts fail failed failing fails failure failures fake
fall fallback falling false family far fast faster fatal fault favour feature features feedback feel fetch
fetched fetches few field fields file filename filepath files filesystem fill filled filter filtered filters
final finalize find finding finds fingerprint finish finished finishes fired firewall first fit five fix fixed
fixes flag flags flat flaw flight float floating floor flow flush flushed flushing fmt folder folding follow
followed following follows font fopen for forbidden force forced forcing foreign foresees forget fork forked
form format formats formatted formatting former forward forwarding found foundation four fqdn fragment
fragmented frame frames free friendly from front frontend ftp fulfilled full fullchain fullname fully func
function functionality functions further future games garbage gate gated gateway gateways gave gb gcc gcm gcp
gen general generally generate generated generates generating generation generations generator generic get
getaddrinfo gets getting gid github give given gives giving gke glibc glob global globally go goaway goes going
gone good google got graceful gracefully grant granted graph gray greater greylisted group groups grpc guide
gzip had half hand handle handled handler handlers handles handling hands handshake handshakes handshaking hang
hanging hangs happen happened happens happy haproxy hard hardware harm has hash hashes hasn have haven having he
head header headers headless healed heals health heap heartbeat height held hello help helper helpers helps here
hereby hex hexadecimal hidden hide hides hiding hierarchy high higher highest highly hint hints his historical
history hit hits hmac hold holder holds hole home hook hooks host hosted hostname hosts hour hours hover how
however href hsm html http httpd https human hybrid hyphen hyphens i iam id idea identical identification
identified identifier identifiers identity idle idx ietf if ignore ignored ignores ignoring imap imaps img
immediate immediately immutable implement implementation implementations implemented implements implicit
implicitly import important imported importing imports impossible improve in include included includes including
inclusion inclusive incoming incompatible incomplete inconsistent incorrect incorrectly increase increased
increment indent independent index indexed indicate indicated indicates indicating indication indicator
individual inferred infinite info information inherit inherited init initial initialization initialize
initialized initializing inject injected inner input inputs insecure insert inserted inserting inside inspect
inspection install installation installed installs instance instances instantiated instantiating instants
instead instruction instructions insufficient int integer integration integrity intended inter interactive
interface interfaces internal internally internals international internet interop interpreted interrupt
interrupted interval into invalid inverse invoked involves io ip is isn iso issue issued issuer issuers issues
issuing it item items iteration iterations iterator its itself java javascript jks job jobs join joining json
just jwk jwt kb kdf keep keepalive keeping keeps kem kept kernel key keyfile keygen keys keystore keytool
keyword keywords kill killed kind kinds kms know knowledge known knows kubeconfig kubectl kubernetes kv label
labels lack lacks language large larger last lat late later latest layer layout lazy ldap lead leading leads
leaf leak leaked leaking learn lease leases least leave leaves leaving left leftovers legacy len length less let
lets letter letters level levels lib libc libraries library license licensed licensing lies lifetime like likely
limit limitation limited limiting limits line linear lines link linked links linux list listed listen listener
listeners listening listing lists literal little live lmtp load loaded loader loaders loading loads local locale
localhost locally located location locations lock locked log logged logger logging logic login logo logs lone
long longer longest look looked looking looks lookup lookups loop lose loses losing loss lost lot low lower
lowercase lstat ltm mac machine machines macro made magic mail mailbox mailer mailq mailto main maintain
maintainers maintenance major make makes making malformed manage managed management manager mandatory manipulate
manual manually many map mapped mapper mapping mappings maps margin mark marked marks mask master match matched
matches matching max maximum may maybe mb me mean meaning means meant meanwhile mechanism mechanisms media
medium meet member members memory mend mentioned merge merged merging mess message messages met meta metadata
meter method methods metric metrics mgmt microsoft might migrate migrating migration milliseconds mime mimetype
min mine minimal minimum minor minus minute minutes mismatch mismatched missed missing mistake mix mixed mixing
mkdir mod mode modem modern modes modifications modified modifier modify module modules modulus moment monitor
more mosquitto most mount mounted mounts move moved moves moving ms msg mtime mtls much multi multicast
multipart multiple multiplication must my name named names namespace namespaces naming native nature nbsp near
necessary need needed needs negation negative negotiate negotiated neither nest nested nesting net network
networks never new newer newest newly nexec next nginx nice nlb no nobody node nodes non nonce none nonzero nor
normal normalized normally not notable note notes nothing notice notification notify now nowhere ns null num
number numbers numeric nxdomain obeys obj object objects observed obsolete obtain obtaining occupies occur
occurred occurrence occurrences ocsp octal octet of off offer offered offers offline offset often oid ok old
older omitted on once one ones ongoing online only oom open openat opendir opened opening opens openssl operand
operate operating operation operations operator ops opt optimal option optional optionally options opts or order
ordered ordering orders org organization organizations origin original origins os other others otherwise our
ours out outdated outgoing output outside over overflow overhead overlapping overridden override overrides
overview overwrite overwriting overwritten own owner owns pack package packages packed packet pad padded padding
page pager pagers pages pair pairs parallel param parameter parameters params parent parenthesis parse parsed
parser parsers parsing part partial partially particular partition parts pass passed passes passing passphrase
password pat patch patches path pathname paths pattern patterns pause paused payload peer pem pending people per
percent perform performance performed performing perhaps period permanent permanently permission
permissiondenied permissions permit permitted persist persistent person persons pfx phase phone phrase physical
pick pid piece pieces pin ping pipe piped pipeline pipes pk pkcs place placed placeholder places plain plan
planned planner plans platform platforms please plugin plugins plus pod pods point pointer pointing points
policies policy poll polling pong pool pools pops port portions ports pos position positive posix possible
possibly post posted postfix postgresql postmap posts potential potentially power pre precedence preceding
precise precondition predicate prefer preference prefers prefix prefixed prefixes preflight prepare prepared
prerequisites presence present presented preserve preset pretty prevent previous previously primarily primary
prime primitive primitives principal print printable printed prints prio prior priority private privatekey
privilege privileges privkey probable probably problem problems proc procedure proceed process processed
processes processing processor prod produce produced produces product production professional profile profiles
program programs progress project projects prometheus promise promises prompt prop propagation proper properly
properties property props protection proto protocol protocols prototype prove proved proves provide provided
provider providers provides providing proxied proxies proxy pss ptr pub public publish published pull purged
purpose push pushed pushing put puts putting qualified qualifier quarantined queries query questions queue
queued queues quick quickstart quiet quit quota quotas quote quoted quotes race radix raise raises ran rand
random randomly range ranges rate rather ratio raw reach reachable reached reaches read readable readdir reader
readers reading readonly reads ready real really realpath reason reasons rebuild receipt receive received
receiver receives receiving recipient recipients recognized recommend recommended record recorded records
recover recoverable recovered recovery recurse recursion recursive recv red redir redirect redirected
redirecting redirection redirects redis reduce reduced ref refer reference referenced references referral refers
refilled refresh refreshing refusal refuse refused refuses regardless regex regexes regexp region regional
regions register registered registering registers registration registry regular rehearse reject rejected
rejection rejects rel related relative relay relayed relaying release released releases relevant reliable
reliably relies reload reloaded reloading reloads rem remain remaining remains remembers remote removal remove
removed removes removing rename renamed renames render renew renewal renewals renewd renewed renews repair
repairs repeat repeated repeating repeats replace replaced replacement replaces replacing replica replicate
reply repo report reported reporting reports repository representation representing represents req request
requested requesting requests require required requirements requires res resend reserved reset resets resolution
resolve resolved resolver resolvers resolves resolving resource resources resourceversion resp respect respond
responder response responses rest restart restarting restore restored restores restricted restriction
restrictions result resulting results resume resumed retain retained retries retrieve retrieved retrieving retry
retrying return returned returning returns reusable reuse reused reusing reveal reverse review revocation revoke
revoked rewrite rewrites rewriting rewritten rid right rights risk robust role rolebinding roles rollback rolled
room root rotated rotation round rounds route routed router routine routines routing row rpc rsa rule rules run
running runs runtime runtimes safe said salt saltlen same sample sampled samples sampling sanitize satisfies
satisfy save saved saves saving saw say says scale scan scanner scenarios schedule scheduled scheduling schema
schemas scheme scope script scripts sct sealed sealing search sec second seconds secret secrets secretsmanager
section sections secure security see seed seek seems seen sees segfault segment select selected selecting
selection selector selects self sell send sender sending sendmail sends sense sensitive sent separate separated
separately separator separators sequence sequences serial serialization serialize serve served server servername
servers serves servfail service serviceaccount services serving session sessions set sets setting settings setup
several severity sha shadow shall shape share shared shares shell shells shift shop short should shouldn show
showing shown shows shut shutdown sibling siblings side sig sign signal signals signature signatures signed
signer significantly signing signs silent similar simple simply simultaneous since single singleton site sites
situation size sizes skip skipped skipping slash slashes sleep slice slot slow slower small smaller smarthost
sms smtp smtpd snapshot sni so soa sock socket sockets soft software solid solution solver solvers some somebody
something somewhere soon sort source sources space spaces spacing span spans sparse spawn spawned spawning
speaks spec special specific specification specified specifier specifies specify specifying speed spell spelled
spelling spent split spool spread square src srv ssh ssl sslv stable stack stage staging stale standalone
standard stands star stars start started starting starts starttls startup stat state statement statements states
static statistics stats status stay stays stderr stdin stdio stdout step steps still stop stopped stopping stops
storage store stored stores str strace stream streaming streams strerror strict strictly string strings strip
stripped strong strongly struct structure structures sts stub stuff style styled sub subject submission submit
submitted subnet subscribers subscribing subscription subscriptions subsequent subset substantial succeed
succeeded success successful successfully such sudo suffix suggested suitable suite suites sum summary sup super
superseded supplied supply support supported supporting supports suppress sure surface swap swapped swaps switch
switches switching symbol symbolic symbols symlink sync synchronised synchronous synchronously syntax system
systemctl systemd systems table tables tag tagged tags tail take taken takes taking target targeting targets
task tasks tcp team tell tells template templates temporarily temporary ten tenancy tenant term terminal
terminate terminated terminating termination terms test tested testing tests text texts textual than thanks that
the their theirs them themselves then there therefore these they thing things think third this those though
thread three threshold throttled throttling through throw throwing thrown throws thus ticket time timed timeout
timeouts timer timers times timestamp timezone tips title tls tlsv tmos tmp to together token tokens told too
took tool tools top topic torn total touch touched touches trace tracer traces tracing track tracking traefik
traffic trailers trailing transaction transfer transfers transform transient transition translate translation
transmission transparent transport treat treated treating tree tried tries trigger trim trouble true truncate
truncated truncating trust trusted trusts try trying tsc ttl tunnel tunneling turn turned turning twice two txt
typ type typed typeof types typically tz ui uid unable unacceptable uname unauthenticated unauthorized
unavailable unchanged uncompressed undefined undeliverable under underlying underscores understand understands
understood unencrypted unexpected unexpectedly unfortunately unhandled unicast unimplemented uninitialized
unique unit units universal unix unknown unless unlimited unlink unmarshal unmarshalling unmatched unmodifiable
unnecessary unnoticed unparsable unparseable unquoted unreachable unrecognisable unrecognised unrecognized
unresolved unsafe unseal unsealed unset unsigned unsorted unspecified unstable unsupported unterminated until
untrusted unused unwanted unwrap up update updated updates updating upgrade upgraded upgrades upgrading upload
uploaded uploading uploads upon uppercase upstream uri url us usable usage usages use used useful useless user
username users uses using usual usually utility val valid validate validated validates validating validation
validity valign value values var variable variables variant variety various vary vault vaulttoken vendor verb
verbose verbosity verification verified verifier verifies verify verifying version versioning versions very
vhost via vip virtual virtualhost visibility visible visit visited vm void vpc vs vulnerability wait waited
waiter waiters waiting waits walk want wanted wants warn warning warnings was wasn watchdog watches wave waves
way ways we weak web webhook webhooks website websocket weight welcome well were weren what whatever when where
wherever whether which while whilst white whitespace who whole whom whose why wide wider width wild wildcard
will win window windows wish with within without won word words work workaround worker workers workflow working
workload works world would wrap wrapped wrapper wrapping wraps writable write writer writes writing written
wrong wrote wss www xml yaml years yes yet yield you your yourself zero zlib zone zones
`;

/** Words with digits inside. */
const MIXED = `
2fa 3des 4xx 5xx asn1 base64 ec2 f5 http1 http2 http3 ipv4 ipv6 k8s md5 oauth2 p12 p256 p384 p521 pkcs1 pkcs12
pkcs7 pkcs8 rfc5280 s3 sha1 sha256 sha384 sha512 sslv3 tls1 tlsv1 utf8 v1 v2 v3 x509
`;

export const ERROR_WORDS: ReadonlySet<string> = new Set(`${WORDS} ${MIXED}`.split(/\s+/).filter((word) => word !== ""));

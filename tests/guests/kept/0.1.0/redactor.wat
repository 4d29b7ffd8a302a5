;; A redactor as a tenant may have built it against contract 0.1.0: it must run,
;; as it is, for as long as the host speaks 0.1.0. So nothing here may change; a
;; test knows the SHA-256 of what this becomes.
;;
;; Its settings: `mask`, a word that it covers with asterisks; `drop`, a word whose
;; lines it drops; `environment`, the only one whose objects it wants. It logs
;; what `more` says, and that it dropped something.
(component
  ;; What it imports: types, and the log.

  (type $types-interface (instance
    (type $origin-type (record
      (field "cluster-id" string)
      (field "namespace" string)
      (field "tenant-id" string)
      (field "application" string)
      (field "pod-name" string)
      (field "environment" string)))
    (export "origin" (type $origin (eq $origin-type)))
    (type $delivery-type (record
      (field "id" string)
      (field "destination" string)
      (field "desired-logs" (list string))
      (field "groups" (list string))))
    (export "delivery" (type $delivery (eq $delivery-type)))
    (type $context-type (record
      (field "origin" $origin)
      (field "delivery" $delivery)
      (field "bucket" string)
      (field "key" string)
      (field "settings" (list (tuple string string)))
      (field "more" (list (tuple string string)))))
    (export "context" (type (eq $context-type)))
    (type $failure-type (variant (case "rejected" string) (case "internal" string)))
    (export "failure" (type (eq $failure-type)))
    (type $verdict-type (variant (case "joined") (case "malformed" string) (case "rejected" string)))
    (export "verdict" (type $verdict (eq $verdict-type)))
    (type $note-type (record (field "first" u64) (field "last" u64) (field "verdict" $verdict)))
    (export "note" (type (eq $note-type)))))
  (import "log-router:plugin/types@0.1.0" (instance $types (type $types-interface)))
  (alias export $types "context" (type $context))
  (alias export $types "failure" (type $failure))
  (alias export $types "note" (type $note))

  (import "log-router:plugin/host-log@0.1.0" (instance $host-log
    (type $level-type (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level-type)))
    (export "log" (func (param "level" $level) (param "message" string)))))

  ;; Its memory, and an allocator that takes more until it is set back.

  (core module $heap-module
    (memory (export "memory") 1)
    ;; What lies below is the redactor's.
    (global $next (export "next") (mut i32) (i32.const 4096))
    (func (export "realloc")
      (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32) (local $pages i32)
      (local.set $at (i32.and
        (i32.sub (i32.add (global.get $next) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (local.set $pages (i32.sub
        (i32.shr_u (i32.add (global.get $next) (i32.const 65535)) (i32.const 16))
        (memory.size)))
      (if (i32.gt_s (local.get $pages) (i32.const 0))
        (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (unreachable)))))
      (memory.copy (local.get $at) (local.get $old) (local.get $old-size))
      (local.get $at)))
  (core instance $heap (instantiate $heap-module))
  (alias core export $heap "memory" (core memory $memory))
  (alias core export $heap "realloc" (core func $realloc))
  (core func $log (canon lower (func $host-log "log") (memory $memory)))

  ;; What it does.

  (core module $redactor-module
    (import "heap" "memory" (memory 1))
    (import "heap" "next" (global $next (mut i32)))
    (import "heap" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host-log" "log" (func $log (param i32 i32 i32)))

    ;; Answers lie at 16, and are 48 bytes long at most.
    (data (i32.const 1024) "mask")
    (data (i32.const 1028) "drop")
    (data (i32.const 1032) "environment")
    (data (i32.const 1043) "lines were dropped")

    (global $mask (mut i32) (i32.const 0))
    (global $mask-length (mut i32) (i32.const 0))
    (global $drop (mut i32) (i32.const 0))
    (global $drop-length (mut i32) (i32.const 0))
    (global $dropped (mut i32) (i32.const 0))
    ;; What was allocated up to here stays.
    (global $keep (mut i32) (i32.const 0))

    (func $same (param $a i32) (param $b i32) (param $length i32) (result i32)
      (block $differ
        (loop $next-byte
          (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
          (br_if $differ (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))))
          (local.set $a (i32.add (local.get $a) (i32.const 1)))
          (local.set $b (i32.add (local.get $b) (i32.const 1)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $next-byte)))
      (i32.const 0))

    ;; Where the word is first, or -1; an empty word is nowhere.
    (func $find (param $text i32) (param $length i32) (param $word i32) (param $word-length i32) (result i32)
      (local $at i32)
      (if (i32.eqz (local.get $word-length)) (then (return (i32.const -1))))
      (block $nowhere
        (loop $next-place
          (br_if $nowhere (i32.gt_u (i32.add (local.get $at) (local.get $word-length)) (local.get $length)))
          (if (call $same (i32.add (local.get $text) (local.get $at)) (local.get $word) (local.get $word-length))
            (then (return (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next-place)))
      (i32.const -1))

    (func $is-blank (param $text i32) (param $length i32) (result i32)
      (block $visible
        (loop $next-byte
          (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
          (br_if $visible (i32.gt_u (i32.load8_u (local.get $text)) (i32.const 32)))
          (local.set $text (i32.add (local.get $text) (i32.const 1)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $next-byte)))
      (i32.const 0))

    ;; The value of a name among a context's settings: where it lies, how long it is.
    (func $setting (param $context i32) (param $name i32) (param $name-length i32) (result i32 i32)
      (local $pair i32) (local $left i32)
      (local.set $pair (i32.load (i32.add (local.get $context) (i32.const 96))))
      (local.set $left (i32.load (i32.add (local.get $context) (i32.const 100))))
      (block $none
        (loop $next-pair
          (br_if $none (i32.eqz (local.get $left)))
          (if (i32.eq (i32.load offset=4 (local.get $pair)) (local.get $name-length))
            (then (if (call $same (i32.load (local.get $pair)) (local.get $name) (local.get $name-length))
              (then (return (i32.load offset=8 (local.get $pair)) (i32.load offset=12 (local.get $pair)))))))
          (local.set $pair (i32.add (local.get $pair) (i32.const 16)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $next-pair)))
      (i32.const 0) (i32.const 0))

    ;; Logs each pair of `more` as name=value.
    (func $log-more (param $context i32)
      (local $pair i32) (local $left i32) (local $text i32) (local $name-length i32) (local $length i32)
      (local.set $pair (i32.load (i32.add (local.get $context) (i32.const 104))))
      (local.set $left (i32.load (i32.add (local.get $context) (i32.const 108))))
      (block $done
        (loop $next-pair
          (br_if $done (i32.eqz (local.get $left)))
          (local.set $name-length (i32.load offset=4 (local.get $pair)))
          (local.set $length (i32.add
            (i32.add (local.get $name-length) (i32.const 1))
            (i32.load offset=12 (local.get $pair))))
          (local.set $text (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $length)))
          (memory.copy (local.get $text) (i32.load (local.get $pair)) (local.get $name-length))
          (i32.store8 (i32.add (local.get $text) (local.get $name-length)) (i32.const 61))
          (memory.copy
            (i32.add (i32.add (local.get $text) (local.get $name-length)) (i32.const 1))
            (i32.load offset=8 (local.get $pair))
            (i32.load offset=12 (local.get $pair)))
          (call $log (i32.const 1) (local.get $text) (local.get $length))
          (local.set $pair (i32.add (local.get $pair) (i32.const 16)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $next-pair))))

    (func (export "wants") (param $context i32) (result i32)
      (local $wanted i32) (local $length i32)
      (call $setting (local.get $context) (i32.const 1032) (i32.const 11))
      (local.set $length) (local.set $wanted)
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.store8 (i32.const 20) (i32.const 1))
      (if (local.get $length)
        (then (i32.store8 (i32.const 20)
          (if (result i32) (i32.eq (i32.load offset=44 (local.get $context)) (local.get $length))
            (then (call $same (i32.load offset=40 (local.get $context)) (local.get $wanted) (local.get $length)))
            (else (i32.const 0))))))
      (i32.const 16))

    (func (export "begin") (param $context i32) (result i32)
      (call $setting (local.get $context) (i32.const 1024) (i32.const 4))
      (global.set $mask-length) (global.set $mask)
      (call $setting (local.get $context) (i32.const 1028) (i32.const 4))
      (global.set $drop-length) (global.set $drop)
      (call $log-more (local.get $context))
      (global.set $keep (global.get $next))
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.const 16))

    ;; Covers the mask's word in a text.
    (func $cover (param $text i32) (param $length i32)
      (local $at i32)
      (block $done
        (loop $next-word
          (local.set $at (call $find
            (local.get $text) (local.get $length) (global.get $mask) (global.get $mask-length)))
          (br_if $done (i32.lt_s (local.get $at) (i32.const 0)))
          (local.set $text (i32.add (local.get $text) (local.get $at)))
          (memory.fill (local.get $text) (i32.const 42) (global.get $mask-length))
          (local.set $text (i32.add (local.get $text) (global.get $mask-length)))
          (local.set $length (i32.sub
            (local.get $length)
            (i32.add (local.get $at) (global.get $mask-length))))
          (br $next-word))))

    ;; ok of what is rewritten, with nothing held back.
    (func $answer (param $lines i32) (param $bytes i32) (param $sources i32) (param $count i32) (result i32)
      (memory.fill (i32.const 16) (i32.const 0) (i32.const 48))
      (i32.store (i32.const 24) (local.get $lines))
      (i32.store (i32.const 28) (local.get $bytes))
      (i32.store (i32.const 32) (local.get $sources))
      (i32.store (i32.const 36) (local.get $count))
      (i32.const 16))

    (func (export "rewrite") (param $line i64) (param $text i32) (param $length i32) (result i32)
      (local $end i32) (local $line-end i32) (local $line-length i32)
      (local $lines i32) (local $out i32) (local $sources i32) (local $count i32)
      (local.set $end (i32.add (local.get $text) (local.get $length)))
      ;; A newline may come after the last line; a line that isn't blank has at least two
      ;; bytes, but for the last.
      (local.set $lines (call $realloc
        (i32.const 0) (i32.const 0) (i32.const 1) (i32.add (local.get $length) (i32.const 1))))
      (local.set $sources (call $realloc
        (i32.const 0) (i32.const 0) (i32.const 8)
        (i32.add (i32.shl (local.get $length) (i32.const 2)) (i32.const 8))))
      (local.set $out (local.get $lines))
      (block $done
        (loop $next-line
          (br_if $done (i32.ge_u (local.get $text) (local.get $end)))
          (local.set $line-end (local.get $text))
          (block $found
            (loop $next-byte
              (br_if $found (i32.ge_u (local.get $line-end) (local.get $end)))
              (br_if $found (i32.eq (i32.load8_u (local.get $line-end)) (i32.const 10)))
              (local.set $line-end (i32.add (local.get $line-end) (i32.const 1)))
              (br $next-byte)))
          (local.set $line-length (i32.sub (local.get $line-end) (local.get $text)))
          (block $settled
            (br_if $settled (call $is-blank (local.get $text) (local.get $line-length)))
            (if (i32.ge_s
                (call $find (local.get $text) (local.get $line-length) (global.get $drop) (global.get $drop-length))
                (i32.const 0))
              (then (global.set $dropped (i32.const 1)) (br $settled)))
            (memory.copy (local.get $out) (local.get $text) (local.get $line-length))
            (call $cover (local.get $out) (local.get $line-length))
            (local.set $out (i32.add (local.get $out) (local.get $line-length)))
            (i32.store8 (local.get $out) (i32.const 10))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (i64.store
              (i32.add (local.get $sources) (i32.shl (local.get $count) (i32.const 3)))
              (local.get $line))
            (local.set $count (i32.add (local.get $count) (i32.const 1))))
          (local.set $text (i32.add (local.get $line-end) (i32.const 1)))
          (local.set $line (i64.add (local.get $line) (i64.const 1)))
          (br $next-line)))
      (call $answer
        (local.get $lines) (i32.sub (local.get $out) (local.get $lines)) (local.get $sources) (local.get $count)))

    (func (export "rewritten") (param i32)
      (global.set $next (global.get $keep)))

    (func (export "end") (result i32)
      (if (global.get $dropped)
        (then (call $log (i32.const 2) (i32.const 1043) (i32.const 18))))
      (call $answer (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))

  (core instance $redactor (instantiate $redactor-module
    (with "heap" (instance $heap))
    (with "host-log" (instance (export "log" (func $log))))))

  ;; What it exports.

  (type $rewritten (record
    (field "lines" (list u8))
    (field "sources" (list u64))
    (field "notes" (list $note))
    (field "pending-from" (option u64))))

  (func $wants (param "context" $context) (result (result bool (error $failure)))
    (canon lift (core func $redactor "wants") (memory $memory) (realloc $realloc)))
  (func $begin (param "context" $context) (param "now" s64) (result (result (error $failure)))
    (canon lift (core func $redactor "begin") (memory $memory) (realloc $realloc)))
  (func $rewrite (param "first-line" u64) (param "lines" (list u8)) (result (result $rewritten (error $failure)))
    (canon lift (core func $redactor "rewrite") (memory $memory) (realloc $realloc)
      (post-return (core func $redactor "rewritten"))))
  (func $end (result (result $rewritten (error $failure)))
    (canon lift (core func $redactor "end") (memory $memory)))

  (instance $log-filter
    (export "context" (type $context))
    (export "failure" (type $failure))
    (export "wants" (func $wants)))
  (export "log-router:plugin/log-filter@0.1.0" (instance $log-filter))

  (instance $record-rewrite
    (export "context" (type $context))
    (export "failure" (type $failure))
    (export "note" (type $note))
    (export "rewritten" (type $rewritten))
    (export "begin" (func $begin))
    (export "rewrite" (func $rewrite))
    (export "end" (func $end)))
  (export "log-router:plugin/record-rewrite@0.1.0" (instance $record-rewrite)))

//! What the compiler says when `#[derive(Module)]` is used wrongly.

/// The messages are compared word for word, so the compiler's own words are kept out of them where possible.
#[test]
fn mistakes_have_readable_messages() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

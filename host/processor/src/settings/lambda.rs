//! The variables that Lambda sets for every function.

/// The variables that Lambda sets for its functions.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Checks that this process runs as a Lambda.
///
/// # Errors
/// It doesn't run as one: names what is missing, and what to do instead.
pub fn lambda_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let set = |name: &&str| lookup(name).is_some_and(|value| !value.is_empty());
    let missing: Vec<&str> = VARIABLES.into_iter().filter(|name| !set(name)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "lambda mode, the default, runs in AWS Lambda only: {} not set; give --mode sqs, manual or scan, or the \
             command `local` to try it without AWS (see --help)",
            missing.join(", ")
        ));
    }
    // The runtime's library panics if some of these are missing.
    let unlike_lambda = |name: &&&str| {
        let value = lookup(name).unwrap_or_default();
        !value.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if let Some(odd) = VARIABLES.iter().find(unlike_lambda) {
        return Err(format!(
            "{odd} holds white space, or a character that Lambda never sets; leave it as Lambda sets it"
        ));
    }
    let memory = lookup("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").unwrap_or_default();
    match memory.parse::<i32>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is {memory:?}: Lambda sets it to a number of MiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_do_instead() {
        let error = lambda_environment(&|name| (name == "AWS_LAMBDA_RUNTIME_API").then(|| "x".to_owned())).unwrap_err();
        assert!(error.contains("AWS_LAMBDA_FUNCTION_NAME, AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "{error}");
        assert!(!error.contains("RUNTIME_API") && error.contains("--mode sqs"), "{error}");
        assert!(lambda_environment(&|_| Some("x".to_owned())).unwrap_err().contains("number of MiB"));
        assert_eq!(lambda_environment(&|_| Some("128".to_owned())), Ok(()));
        for odd in ["128\n", "12 8", "\u{fffd}"] {
            let error = lambda_environment(&|_| Some(odd.to_owned())).unwrap_err();
            assert!(error.contains("AWS_LAMBDA_RUNTIME_API holds"), "{error}");
        }
    }
}

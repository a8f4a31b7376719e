//! JSON objects.

/// An object whose fields are named and filled in one place, in the order in which they are printed.
macro_rules! object {
    ($($field:ident: $value:expr),* $(,)?) => {{
        // Each field has a type parameter of its own, which is called like the field.
        #[derive(serde::Serialize)]
        struct Object<$($field),*> {
            $($field: $field),*
        }
        Object { $($field: $value),* }
    }};
}

pub(crate) use object;
